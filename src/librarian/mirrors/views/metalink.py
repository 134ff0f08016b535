"""``+metalink``: the mirrors of one file, and its digest, as a Metalink (RFC 5854, section 4)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from xml.etree import ElementTree as ET

from pyramid.httpexceptions import HTTPNotFound
from pyramid.request import Request
from pyramid.response import Response

from librarian.mirrors.paths import join_url
from librarian.mirrors.views.common import NOT_REUSED
from librarian.mirrors.views.mirrorlist import ListedMirror, country_of, mirrors_for
from librarian.web.openapi.declaring import describes, does, text
from librarian.web.openapi.schemas import TEXT, told

METALINK_TYPE = "application/metalink4+xml"  # RFC 5854, 7
_NAMESPACE = "urn:ietf:params:xml:ns:metalink"


@dataclass(frozen=True, slots=True)
class MetalinkFile:
    """A file of the archive and the digest that proves it."""

    path: str
    size: int  # bytes
    sha256: str  # hex
    published: datetime


def as_metalink(file: MetalinkFile, mirrors: Sequence[ListedMirror]) -> bytes:
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


@describes(
    "/mirrors/{distribution}/+metalink",
    GET=does(
        "Where a file of the archive is to be had, and its digest",
        text("A Metalink (RFC 5854)", METALINK_TYPE),
        query={"path": told(TEXT, "of the file in the archive"), "country": TEXT},
        required=("path",),
    ),
)
def metalink(context: Any, request: Request) -> Response:
    """``+metalink?path=pool/...``: where to fetch a file of the archive, and how to verify it."""
    path = request.GET.get("path", "")
    found = next((each for each in (part.get(path) for part in _all_publications(context)) if each), None)
    if found is None or not found.sha256:
        raise HTTPNotFound
    file = MetalinkFile(found.path, found.size, found.sha256, found.date)
    body = as_metalink(file, mirrors_for(context, country_of(request)))
    response = Response(body, content_type=METALINK_TYPE)
    response.cache_control = NOT_REUSED
    return response


def _all_publications(distribution: Any) -> Iterable[Any]:
    for release in distribution.releases:
        yield from release.all_publications
        for arch_release in release.arch_releases:
            yield from arch_release.all_publications
