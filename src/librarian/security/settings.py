"""The settings of the audit log."""

from dataclasses import dataclass

from zope.interface import provider

from librarian.interfaces import ISettingsSection
from librarian.settings import Section


@provider(ISettingsSection)
@dataclass(frozen=True)
class AuditSettings(Section):
    """The file of the audit log."""

    audit_log: str = ""  # path of a file; empty: where the handlers of the logger librarian.audit write
