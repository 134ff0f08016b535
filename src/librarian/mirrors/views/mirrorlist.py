"""``+mirrorlist``: which mirrors a client of the archive should use, as plain text, the best first."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from pyramid.request import Request
from pyramid.response import Response
from zope.component import getUtility

from librarian.countries.interfaces import ICountrySet
from librarian.mirrors.continents import continent_of
from librarian.mirrors.enums import MirrorContent, MirrorStatus
from librarian.mirrors.views.common import NOT_REUSED
from librarian.web.identity import client_address
from librarian.web.openapi.declaring import describes, does, text
from librarian.web.openapi.schemas import TEXT, told

_NO_SCORE = float("inf")


@dataclass(frozen=True, slots=True)
class ListedMirror:
    """A mirror as an entry of a list."""

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


def as_lines(mirrors: Iterable[ListedMirror]) -> str:
    """One base URL a line, in the order given; what APT's mirror method reads."""
    return "".join(f"{mirror.base_url}\n" for mirror in mirrors)


def listed(mirrors: Iterable[Any]) -> list[ListedMirror]:
    """Mirrors as entries of a list.

    A mirror whose last probe was bad, or whose freshness is not known, is listed without its score, and so
    after those that are known to be well.
    """
    return [
        ListedMirror(mirror.base_url, mirror.country.iso3166code2, _score_to_list_by(mirror))
        for mirror in mirrors
    ]


def _score_to_list_by(mirror: Any) -> float | None:
    if mirror.failures or mirror.freshness is MirrorStatus.UNKNOWN or mirror.score is None:
        return None
    value: float | None = mirror.score.value
    return value


def country_of(request: Request) -> str | None:
    """The country of the client (ISO 3166 alpha-2): `country` in the query, or else that of its address."""
    stated = request.GET.get("country")
    if stated:
        return str(getUtility(ICountrySet)[stated].iso3166code2)
    found = getUtility(ICountrySet).getByAddress(client_address(request))
    return None if found is None else str(found.iso3166code2)


def mirrors_for(context: Any, country: str | None) -> list[ListedMirror]:
    """The official mirrors of the archive, in the order for `country`."""
    archives = [each for each in context.enabled_official_mirrors if each.content is MirrorContent.ARCHIVE]
    return order_for(country, listed(archives), context.main_url)


@describes(
    "/mirrors/{distribution}/+mirrorlist",
    GET=does(
        "Base URLs, one a line, those of the caller's country first",
        text(),
        query={"country": told(TEXT, "ISO 3166 alpha-2; without it, that of the caller's address")},
    ),
)
def mirrorlist(context: Any, request: Request) -> Response:
    """``+mirrorlist``: official mirrors, those of the caller's country first, the main one last."""
    country = country_of(request)
    response = Response(as_lines(mirrors_for(context, country)), content_type="text/plain", charset="utf-8")
    response.headers["X-Generated-For-Country"] = country or "Unknown"
    response.cache_control = NOT_REUSED
    return response


def _score(mirror: ListedMirror) -> float:
    return _NO_SCORE if mirror.score is None else mirror.score
