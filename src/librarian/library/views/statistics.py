"""``/files/<id>/+stats``: how often a file was downloaded, as JSON and as a page with a plot."""

from collections import Counter
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from pyramid.httpexceptions import HTTPBadRequest
from pyramid.renderers import render_to_response
from pyramid.request import Request
from pyramid.response import Response
from zope.component import getUtility

from librarian.interfaces import IClock
from librarian.web.errors import wants_page
from librarian.web.openapi.declaring import describes, does, page_of
from librarian.web.openapi.schemas import COUNT, DAY, FILE_ID, TEXT, array, nullable, obj, told

PLOTTED_DAYS = 90
MOST_PLOTTED_DAYS = 3660

WIDTH, HEIGHT = 720, 180  # of the plot's drawing area, in the units of its viewBox


@dataclass(frozen=True)
class Statistics:
    """The counts of one file, added up in the ways that are shown."""

    days: Counter[date]
    countries: Counter[Any]  # ICountry or None

    @classmethod
    def of(cls, alias: Any) -> "Statistics":
        """The downloads of an alias, summed by day and by country."""
        days: Counter[date] = Counter()
        countries: Counter[Any] = Counter()
        for entry in alias.download_counts:
            days[entry.day] += entry.count
            countries[entry.country] += entry.count
        return cls(days, countries)

    def by_country(self) -> list[tuple[Any, int]]:
        """The country with most first; among equals by name, the unknown one last."""

        def order(item: tuple[Any, int]) -> tuple[int, bool, str]:
            country, count = item
            return -count, country is None, country.name if country else ""

        return sorted(self.countries.items(), key=order)


def describe(alias: Any) -> dict[str, Any]:
    """The statistics of an ILibraryFileAlias as JSON says them."""
    found, last = Statistics.of(alias), alias.last_downloaded
    return {
        "id": alias.id,
        "filename": alias.filename,
        "hits": alias.hits,
        "last_downloaded_days": None if last is None else last.days,
        "days": [{"day": day.isoformat(), "count": count} for day, count in sorted(found.days.items())],
        "countries": [
            {"code": country and country.iso3166code2, "name": country and country.name, "count": count}
            for country, count in found.by_country()
        ],
    }


@dataclass(frozen=True, slots=True)
class Bar:
    """One day of the plot, in the units of its viewBox."""

    day: date
    count: int
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True)
class Plot:
    """Downloads by day, a bar each, up to `last`."""

    bars: list[Bar]
    first: date
    last: date
    top: int  # what the upper edge stands for
    width: int = WIDTH
    height: int = HEIGHT

    @classmethod
    def of(cls, days: Counter[date], last: date, length: int) -> "Plot":
        """The plot of the `length` days that end with `last`; `days` has the downloads of each day."""
        first = last - timedelta(days=length - 1)
        shown = {day: count for day, count in days.items() if first <= day <= last}
        top = round_up(max(shown.values(), default=1))
        step = WIDTH / length
        bars = [
            Bar(
                day,
                count,
                x=round((day - first).days * step, 2),
                y=round(HEIGHT - HEIGHT * count / top, 2),
                width=round(max(step * 0.8, 0.5), 2),
                height=round(HEIGHT * count / top, 2),
            )
            for day, count in sorted(shown.items())
        ]
        return cls(bars, first, last, top)


def round_up(number: int) -> int:
    """The least 1, 2 or 5 times a power of ten that is not below `number`: the top of a scale."""
    power = 1
    while True:
        for factor in (1, 2, 5):
            if factor * power >= number:
                return factor * power
        power *= 10


_STATISTICS = obj(
    id=FILE_ID,
    filename=TEXT,
    hits=COUNT,
    last_downloaded_days=nullable(COUNT),
    days=array(obj(day=DAY, count=COUNT)),
    countries=array(obj(code=nullable(TEXT), name=nullable(TEXT), count=COUNT)),
)


@describes(
    "/files/{id:int}/+stats",
    GET=does(
        "How often the file was downloaded, by day and by country",
        page_of(_STATISTICS),
        query={"days": told(TEXT, f"of the page's plot: a number up to {MOST_PLOTTED_DAYS}")},
    ),
)
def stats(context: Any, request: Request) -> Response:
    """The downloads of the file; ``?days=`` is the number of days that the plot shows."""
    if not wants_page(request):
        return Response(json_body=describe(context), vary=("Accept",))
    length = _days(request)
    found = Statistics.of(context)
    values = {
        "title": context.filename,
        "alias": context,
        "plot": Plot.of(found.days, getUtility(IClock).now().date(), length),
        "countries": found.by_country(),
        "length": length,
    }
    response = render_to_response("librarian.library:templates/stats.jinja2", values, request)
    response.vary = ("Accept",)
    return response


def _days(request: Request) -> int:
    text = request.GET.get("days", str(PLOTTED_DAYS))
    if not (text.isascii() and text.isdigit() and len(text) < 6 and 1 <= int(text) <= MOST_PLOTTED_DAYS):
        raise HTTPBadRequest(f"days is a number from 1 to {MOST_PLOTTED_DAYS}.")
    return int(text)
