"""Typed settings, read from the ``librarian.`` keys of an ini file, with overlays.

Each package declares the settings it reads as a frozen dataclass below `Section`, registers the
class as a named `ISettingsSection` utility, and asks `ISettings` for it::

    url = getUtility(ISettings).section(LibrarySettings).download_url

An overlay, a piece of ini text under a name, lies over everything below it until it is popped.
"""

import configparser
import dataclasses
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar, TypeVar, cast, get_type_hints

from zope.interface import implementer

from librarian.interfaces import ISettings, NoSuchOverlay, SettingsError
from librarian.net.networks import Networks, parse_networks
from librarian.quantities import Size, parse_duration, parse_size

ROOT = "librarian"


@dataclasses.dataclass(frozen=True)
class Section:
    """Settings that belong together; field names are keys below ``librarian.<prefix>.``."""

    prefix: ClassVar[str] = ""

    @classmethod
    def key(cls, field: str) -> str:
        """The full name of a field in an ini file."""
        return ".".join(part for part in (ROOT, cls.prefix, field) if part)

    def completed(self: "S", settings: "ISettings") -> "S":
        """These values, with what is left empty taken from other sections."""
        return self


T = TypeVar("T")
S = TypeVar("S", bound=Section)


def as_bool(text: str) -> bool:
    """True for true, yes, on, 1; False for false, no, off, 0; in any case.  Raises ValueError."""
    word = text.strip().lower()
    if word in ("true", "yes", "on", "1"):
        return True
    if word in ("false", "no", "off", "0"):
        return False
    raise ValueError(f"{text!r} is neither true nor false")


def as_words(text: str) -> tuple[str, ...]:
    """The words of a text, apart by white space."""
    return tuple(text.split())


_READERS: dict[Any, Callable[[str], Any]] = {
    str: str.strip,
    int: int,
    float: float,
    bool: as_bool,
    Path: lambda text: Path(text.strip()),
    timedelta: parse_duration,
    Size: parse_size,
    tuple[str, ...]: as_words,
    Networks: parse_networks,
}


def read_section(kind: type[S], values: Mapping[str, str]) -> S:
    """Make a `kind` from flat ``librarian.…`` keys; absent ones keep their defaults."""
    found, refused = _read_fields(kind, values)
    if refused:
        raise refused[0]
    return kind(**found)


def _read_fields(
    kind: type[Section], values: Mapping[str, str]
) -> tuple[dict[str, Any], list[SettingsError]]:
    """The values of the fields that can be read, and the refusals of the others."""
    hints = get_type_hints(kind)
    found: dict[str, Any] = {}
    refused: list[SettingsError] = []
    for field in dataclasses.fields(kind):
        key = kind.key(field.name)
        if key in values:
            try:
                found[field.name] = _READERS[hints[field.name]](values[key])
            except SettingsError as error:
                refused.append(error)
            except ValueError as error:
                refused.append(SettingsError(key, str(error)))
    return found, refused


def _read_overlay(text: str) -> dict[str, str]:
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read_string(text)
    except configparser.Error as error:
        raise SettingsError("overlay", str(error).replace("\n", " ")) from error
    return {f"{name}.{key}": value for name in parser.sections() for key, value in parser[name].items()}


@implementer(ISettings)
class Settings:
    """Flat ``librarian.…`` keys with named overlays on top."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = {key: value for key, value in values.items() if key.startswith(f"{ROOT}.")}
        self._overlays: list[tuple[str, str, dict[str, str]]] = []
        self._sections: dict[type[Any], Section] = {}

    def section(self, kind: type[T]) -> T:
        found = self._sections.get(kind)
        if found is None:
            section = cast(type[Section], kind)
            found = self._sections[kind] = read_section(section, self._overlaid()).completed(self)
        return cast(T, found)

    def _overlaid(self) -> dict[str, str]:
        values = dict(self._values)
        for _name, _text, overlay in self._overlays:
            values.update(overlay)
        return values

    def push(self, name: str, text: str) -> None:
        self._overlays.append((name, text, _read_overlay(text)))
        self._sections = {}

    def pop(self, name: str) -> str:
        if not self._overlays or self._overlays[-1][0] != name:
            raise NoSuchOverlay(name)
        _name, text, _values = self._overlays.pop()
        self._sections = {}
        return text

    def check_names(self, kinds: list[type[Section]]) -> None:
        """Refuse keys that no section in `kinds` reads, which are typing errors, and values that one refuses.

        Raises the first of refusals().
        """
        for error in self.refusals(kinds):
            raise error

    def refusals(self, kinds: list[type[Section]]) -> Iterator[SettingsError]:
        """All that is wrong with the settings, as these sections read them."""
        known = {kind.key(field.name) for kind in kinds for field in dataclasses.fields(kind)}
        for key in sorted(self._values):
            if key not in known:
                yield SettingsError(key, "no such setting")
        for kind in kinds:
            yield from self.refusals_of(kind)

    def refusals_of(self, kind: type[Section]) -> list[SettingsError]:
        """All that is wrong with the values of one section."""
        refused = _read_fields(kind, self._overlaid())[1]
        if not refused:
            try:
                self.section(kind)
            except SettingsError as error:
                refused.append(error)
        return refused
