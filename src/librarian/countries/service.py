"""The list of countries, and the database of addresses."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import maxminddb
import pycountry
from zope.component import getUtility
from zope.interface import implementer

from librarian.countries.interfaces import ICountry, ICountrySet, NoSuchCountry
from librarian.countries.settings import CountrySettings
from librarian.interfaces import ISettings, SettingsError


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
