"""The settings of people and credentials."""

from dataclasses import dataclass
from datetime import timedelta

from zope.interface import provider

from librarian.interfaces import ISettingsSection
from librarian.settings import Section


@provider(ISettingsSection)
@dataclass(frozen=True)
class PeopleSettings(Section):
    """The life of log-ins and API tokens, and the place where failed log-ins are counted."""

    prefix = "people"

    session_lifetime: timedelta = timedelta(days=7)  # after which a browser logs in again
    token_lifetime: timedelta = timedelta(days=90)  # unless the maker of a token says another one
    max_token_lifetime: timedelta = timedelta(days=366)  # the longest that the maker of a token may say
    # Where the tree is in a file: a file in which all processes of the machine count; empty: in memory.
    # On zeo:// and postgres:// all machines count in the tree.
    failed_logins: str = ""
