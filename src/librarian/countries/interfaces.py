"""Countries by their ISO 3166 codes, and the country an address is in.

`ICountrySet` is a utility.  It knows each country and territory of ISO 3166-1 by its two-letter code::

    getUtility(ICountrySet)["ch"].name

It also answers in which country an IP address is, for counts by country and for choosing what is near.  For
that it reads a database in MaxMind's format, which the administrator provides (the setting
``librarian.country_database``); without one, no address has a country, and nothing else changes.
"""

from collections.abc import Iterator

from zope.interface import Attribute, Interface

from librarian.interfaces import LibrarianError

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

    def __getitem__(code: str) -> ICountry:  # an interface method has no self
        """By alpha-2 code, in whichever letter case.  Raises NoSuchCountry."""

    def __iter__() -> Iterator[ICountry]:
        """All of them, by name."""

    def getByAddress(address: str) -> ICountry | None:
        """The country of an IPv4 or IPv6 address, by the settings' database; None if that does
        not know, or if there is no database or no such address."""
