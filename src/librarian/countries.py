"""Countries by their ISO 3166 codes, and the country an address is in."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import maxminddb
import pycountry
from zope.component import getUtility
from zope.interface import Attribute, Interface, implementer, provider

from librarian.interfaces import LibrarianError
from librarian.settings import ISettings, ISettingsSection, Section, SettingsError

# ruff: noqa: N805  # zope.interface methods are written without self


class NoSuchCountry(LibrarianError, KeyError):
    """Not an alpha-2 code of ISO 3166-1."""

    def __init__(self, code: object) -> None:
        super().__init__(code)
        self.code = code

    def __str__(self) -> str:
        return f"there is no country {self.code!r}"


class ICountry(Interface):
    """A country or territory."""

    iso3166code2: str = Attribute("Two capital letters.")
    iso3166code3: str = Attribute("Three capital letters.")
    name: str = Attribute("Its short name in English.")


class ICountrySet(Interface):
    """All countries, and the one an address belongs to."""

    def __getitem__(code: str) -> ICountry:  # noqa: PLE0302  # an interface method has no self
        """By alpha-2 code, in whichever letter case.  Raises NoSuchCountry."""

    def __iter__() -> Iterator[ICountry]:
        """All of them, by name."""

    def getByAddress(address: str) -> ICountry | None:
        """Where an IPv4 or IPv6 address is, by the database the settings name; None if that does
        not know, or if there is no database or no such address."""


@provider(ISettingsSection)
@dataclass(frozen=True)
class CountrySettings(Section):
    """Where addresses are looked up."""

    country_database: str = ""  # a file in MaxMind's format; empty: no address has a country


@implementer(ICountry)
@dataclass(frozen=True, slots=True)
class Country:
    """A country; two are the same if their codes are."""

    iso3166code2: str
    iso3166code3: str
    name: str


@implementer(ICountrySet)
class CountrySet:
    """The list pycountry carries, which is Debian's iso-codes."""

    def __init__(self) -> None:
        self._databases: dict[str, Any] = {}
        self._opening = threading.Lock()

    @cached_property
    def _countries(self) -> dict[str, Country]:
        found = [Country(each.alpha_2, each.alpha_3, each.name) for each in pycountry.countries]
        return {country.iso3166code2: country for country in sorted(found, key=lambda each: each.name)}

    def __getitem__(self, code: str) -> Country:
        country = self._countries.get(code.upper()) if isinstance(code, str) else None
        if country is None:
            raise NoSuchCountry(code)
        return country

    def __iter__(self) -> Iterator[Country]:
        return iter(self._countries.values())

    def getByAddress(self, address: str) -> Country | None:
        path = getUtility(ISettings).section(CountrySettings).country_database
        if not path:
            return None
        try:
            record = self._database(path).get(address)
        except SettingsError:
            raise
        except ValueError:  # no address, or IPv6 in a database without any
            return None
        found = record.get("country") or record.get("registered_country") or {} if record else {}
        return self._countries.get(found.get("iso_code", ""))

    def _database(self, path: str) -> Any:
        """The reader, opened once; it may be used by many threads."""
        with self._opening:
            if path not in self._databases:
                try:
                    self._databases[path] = maxminddb.open_database(Path(path))
                except (OSError, maxminddb.InvalidDatabaseError) as error:
                    raise SettingsError(CountrySettings.key("country_database"), str(error)) from error
            return self._databases[path]
