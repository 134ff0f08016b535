"""The setting of countries."""

from dataclasses import dataclass

from zope.interface import provider

from librarian.interfaces import ISettingsSection
from librarian.settings import Section


@provider(ISettingsSection)
@dataclass(frozen=True)
class CountrySettings(Section):
    """The settings ``librarian.countries``: the database that addresses are looked up in."""

    country_database: str = ""  # a file in MaxMind's format; empty: no address has a country
