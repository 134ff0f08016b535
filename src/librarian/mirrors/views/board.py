"""The board of a distribution: how each mirror is, with a strip of its probes of thirty days."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from pyramid.httpexceptions import HTTPBadRequest
from pyramid.request import Request
from zope.component import getUtility

from librarian.interfaces import IClock
from librarian.mirrors.enums import DisabledBy, MirrorContent, MirrorReviewStatus
from librarian.mirrors.views.common import path_of, status_title

SHOWN = 50  # mirrors on a page
MOST_SORTED = 1000  # mirrors of a distribution that is sorted otherwise than by name, which reads them all
STRIP_DAYS = 30

_REVIEWS = {
    MirrorReviewStatus.PENDING_REVIEW: "It waits for a mirror administrator to review it.",
    MirrorReviewStatus.UNOFFICIAL: "A mirror administrator has judged it unofficial.",
    MirrorReviewStatus.BROKEN: "A mirror administrator has judged it broken; its owner can ask for another"
    " review.",
}
_SWITCHED_OFF = {
    DisabledBy.PERSON: "A person has switched it off.",
    DisabledBy.PROBER: "The prober has switched it off, as its probes failed; a good one brings it back.",
}


def why_unlisted(mirror: Any) -> str | None:
    """Why +mirrorlist leaves the mirror out, in one sentence; None for one that it has."""
    if mirror.review_status in _REVIEWS:
        return _REVIEWS[mirror.review_status]
    if mirror.disabled_by is not None:
        return _SWITCHED_OFF[mirror.disabled_by]
    return None if mirror.content is MirrorContent.ARCHIVE else "It has images; the list is of archives."


def _age_of_probe(mirror: Any) -> float:
    last = mirror.last_probe_record
    return float("inf") if last is None else -float(last.date_created.timestamp())


def _score(mirror: Any) -> float:
    return float("inf") if mirror.score is None or mirror.score.value is None else float(mirror.score.value)


#: What stands above each column, and how the mirrors are put in its order.
COLUMNS: tuple[tuple[str, str, Callable[[Any], Any] | None], ...] = (
    ("Mirror", "name", lambda mirror: mirror.name),
    ("Status", "status", lambda mirror: why_unlisted(mirror) or ""),
    ("Freshness", "freshness", lambda mirror: mirror.freshness),
    ("Country", "country", lambda mirror: mirror.country.name),
    ("Speed", "speed", lambda mirror: -mirror.speed),
    ("Last probe", "probed", _age_of_probe),
    (f"Last {STRIP_DAYS} days", "", None),
    ("Score", "score", _score),
)
_KEYS = {by: key for _text, by, key in COLUMNS if key is not None}


def board_values(distribution: Any, request: Request) -> dict[str, Any]:
    """The values of the board's template: one page of the mirrors, by ``?sort=&after=``."""
    many = distribution.has_more_than(MOST_SORTED)
    sort, after = _stated_sort(request, many=many), request.GET.get("after", "")
    listed, following = _by_name(distribution, after) if sort == "name" else _page(distribution, sort, after)
    now, path = getUtility(IClock).now(), path_of(distribution)
    return {
        "_rows": [_row(mirror, now) for mirror in listed],
        "_columns": [(text, *_link(path, by, sort, many=many)) for text, by, _key in COLUMNS],
        "_next": f"{path}?{urlencode({'sort': sort, 'after': following})}" if following else None,
    }


def _stated_sort(request: Request, *, many: bool) -> str:
    """The parameter `sort`, by country without it.  `many` mirrors are sorted by name, which reads those of
    the page alone.  Raises HTTPBadRequest."""
    sort: str = request.GET.get("sort", "") or ("name" if many else "country")
    if sort.removeprefix("-") not in _KEYS:
        raise HTTPBadRequest(f"sort is one of {', '.join(_KEYS)}, with - before it turned round.")
    if many and sort != "name":
        raise HTTPBadRequest(f"More than {MOST_SORTED} mirrors are sorted by name only.")
    return sort


def _by_name(distribution: Any, after: str) -> tuple[list[Any], str | None]:
    found = distribution.next_mirrors(after, SHOWN + 1)
    return found[:SHOWN], found[SHOWN - 1].name if len(found) > SHOWN else None


def _page(distribution: Any, sort: str, after: str) -> tuple[list[Any], str | None]:
    """At most SHOWN mirrors from the one behind `after` on, and the name that the next page comes after."""
    key = _KEYS[sort.removeprefix("-")]
    by_name = sorted(distribution.mirrors, key=lambda each: each.name)
    ordered = sorted(by_name, key=key, reverse=sort.startswith("-"))
    start = next((place for place, each in enumerate(ordered, 1) if each.name == after), 0)
    listed = ordered[start : start + SHOWN]
    return listed, listed[-1].name if start + SHOWN < len(ordered) else None


def _link(path: str, by: str, sort: str, *, many: bool) -> tuple[str | None, str | None]:
    """The URL that sorts by a column, and what aria-sort says of it."""
    order = ("descending" if sort.startswith("-") else "ascending") if by == sort.lstrip("-") else None
    turned = f"-{by}" if order == "ascending" else by
    return f"{path}?sort={turned}" if by and not many else None, order


def _row(mirror: Any, now: datetime) -> dict[str, Any]:
    last = mirror.last_probe_record
    return {
        "name": mirror.name,
        "display_name": mirror.display_name,
        "base_url": mirror.base_url,
        "unlisted": why_unlisted(mirror),
        "freshness": status_title(mirror.freshness.name),
        "is_fresh": mirror.freshness.name == "UP",
        "country": mirror.country.name,
        "speed": mirror.speed.title,
        "probed": last and last.date_created,
        "verdict": last and (last.verdict or "by hand"),
        "strip": _strip(mirror, now),
        "score": None if mirror.score is None or mirror.score.value is None else round(mirror.score.value, 3),
    }


def _strip(mirror: Any, now: datetime) -> dict[str, Any]:
    """`words` for all of the strip, and for each day, the oldest first, its verdict and its own words."""
    first = now.date() - timedelta(days=STRIP_DAYS - 1)
    probed = {day: (count, record) for day, count, record in mirror.probe_days(first)}
    days = []
    for day in (first + timedelta(days=number) for number in range(STRIP_DAYS)):
        count, record = probed.get(day, (0, None))
        verdict = "none" if record is None else record.verdict or "by-hand"
        probes = "no probe" if record is None else f"{verdict}, the last of {count}" if count > 1 else verdict
        days.append((verdict, f"{day.isoformat()}: {probes}"))
    counts = {kind: sum(verdict == kind for verdict, _words in days) for kind in ("good", "failed", "none")}
    words = f"{counts['good']} days good, {counts['failed']} failed, {counts['none']} without a probe"
    return {"words": words, "days": days}
