"""The settings of code imports."""

from dataclasses import dataclass
from datetime import timedelta

from zope.interface import provider

from librarian.interfaces import ISettingsSection
from librarian.settings import Section


@provider(ISettingsSection)
@dataclass(frozen=True)
class MachinesSettings(Section):
    """The watchdog's patience with a machine, and the teams that may change machines."""

    prefix = "machines"
    heartbeat_timeout: timedelta = timedelta(minutes=15)  # the watchdog sets a machine without one OFFLINE
    editors: tuple[str, ...] = ()  # names of teams beside admins that change machines and imports
