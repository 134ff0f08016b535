"""Lists of mirrors for programs: plain text by country, and Metalink (RFC 5854)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from xml.etree import ElementTree as ET

from librarian.mirrors.continents import continent_of
from librarian.mirrors.paths import join_url

METALINK_TYPE = "application/metalink4+xml"  # RFC 5854, 7
_NAMESPACE = "urn:ietf:params:xml:ns:metalink"
_NO_SCORE = float("inf")


@dataclass(frozen=True, slots=True)
class ListedMirror:
    """What a list needs to know of a mirror."""

    base_url: str
    country: str  # ISO 3166 alpha-2
    score: float | None = None  # lower is better


def order_for(
    country: str | None, mirrors: Iterable[ListedMirror], main_url: str | None
) -> list[ListedMirror]:
    """The mirrors of `country`, best score first; where it has none, those of its continent, and where that
    has none, all; the main mirror always last.

    Last, because it is always right and always busy.
    """
    everywhere = sorted(mirrors, key=lambda mirror: (_score(mirror), mirror.base_url))
    near = [mirror for mirror in everywhere if mirror.country == country]
    continent = continent_of(country)
    around = [mirror for mirror in everywhere if continent and continent_of(mirror.country) == continent]
    return (near or around or everywhere) + ([ListedMirror(main_url, "")] if main_url else [])


def mirrorlist(mirrors: Iterable[ListedMirror]) -> str:
    """One base URL a line, in the order given; what APT's mirror method reads."""
    return "".join(f"{mirror.base_url}\n" for mirror in mirrors)


@dataclass(frozen=True, slots=True)
class MetalinkFile:
    """A file of the archive and the digest that proves it."""

    path: str
    size: int  # bytes
    sha256: str  # hex
    published: datetime


def metalink(file: MetalinkFile, mirrors: Sequence[ListedMirror]) -> bytes:
    """The Metalink document that lets a client fetch `file` from any mirror and verify it."""
    root = ET.Element("metalink", xmlns=_NAMESPACE)
    ET.SubElement(root, "generator").text = "librarian"
    ET.SubElement(root, "published").text = f"{file.published:%Y-%m-%dT%H:%M:%SZ}"
    element = ET.SubElement(root, "file", name=file.path.rpartition("/")[2])
    ET.SubElement(element, "size").text = str(file.size)
    ET.SubElement(element, "hash", type="sha-256").text = file.sha256
    for priority, mirror in enumerate(mirrors, start=1):
        where = {"location": mirror.country.lower()} if mirror.country else {}
        url = ET.SubElement(element, "url", {**where, "priority": str(priority)})
        url.text = join_url(mirror.base_url, file.path)
    return ET.tostring(root, encoding="utf-8", xml_declaration=True)


def _score(mirror: ListedMirror) -> float:
    return _NO_SCORE if mirror.score is None else mirror.score
