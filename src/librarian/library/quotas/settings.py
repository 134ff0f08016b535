"""The quotas of those for whom an administrator has set none."""

from dataclasses import dataclass

from zope.interface import provider

from librarian.interfaces import ISettingsSection
from librarian.quantities import Size
from librarian.settings import Section

NO_LIMIT = Size(0)


@provider(ISettingsSection)
@dataclass(frozen=True)
class QuotaSettings(Section):
    """How much a person, and the persons in a team together, may have; 0: no limit."""

    prefix = "quota"
    person_bytes: Size = NO_LIMIT  # such as 10G
    person_files: int = 0  # number of files of a person; 0: not limited
    team_bytes: Size = NO_LIMIT  # of all members of a team together
    team_files: int = 0  # of all members of a team together; 0: not limited
