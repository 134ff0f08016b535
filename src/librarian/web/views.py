"""The web application's root, and the sections in it."""

from datetime import UTC, datetime
from typing import Any

from markupsafe import Markup, escape
from pyramid.request import Request
from pyramid.response import Response
from zope.component import getUtilitiesFor, getUtility, queryUtility

from librarian.interfaces import IClock
from librarian.quantities import relative
from librarian.web.interfaces import IAppSection
from librarian.web.openapi.declaring import describes, does, text, undescribed

ROBOTS = "User-agent: *\nDisallow: /\n"


class AppRoot:
    """``/`` of the web application."""

    __name__ = ""
    __parent__ = None

    def __init__(self, request: Request) -> None:
        self.request = request

    def __getitem__(self, name: str) -> Any:
        section = queryUtility(IAppSection, name=name)
        if section is None:
            raise KeyError(name)
        return section.root(self, self.request)


def sections() -> list[dict[str, str]]:
    """Name, title and description of every section, in the order of their titles."""
    found = [
        {"name": name, "title": section.title, "description": section.description}
        for name, section in getUtilitiesFor(IAppSection)
    ]
    return sorted(found, key=lambda section: section["title"])


def here_of(request: Request, name: str) -> Markup:
    """What the link to a section says where it leads to this page, or to one above it (WAI-ARIA 1.2,
    aria-current)."""
    path = request.environ.get("PATH_INFO", "").strip("/")  # not path_info, which may be no UTF-8
    if path == name:
        return Markup(' aria-current="page"')
    return Markup(' aria-current="true"') if path.startswith(f"{name}/") else Markup("")


def when(moment: datetime | str | None) -> Markup:
    """A moment, or as ISO 8601 has it, for a page: relative to now, with the exact one on hover.  One
    without a zone, such as a day, is in UTC.  Nothing for None; a text that is no time stays what it is."""
    if moment is None:
        return Markup("")
    try:
        exact = _in_utc(moment if isinstance(moment, datetime) else datetime.fromisoformat(str(moment)))
    except (ValueError, OverflowError):  # from a file that other programs can write to
        return escape(moment)
    words = relative(exact - getUtility(IClock).now())
    stated, title = exact.isoformat(timespec="seconds"), f"{exact:%Y-%m-%d %H:%M:%S} UTC"
    # Not by Markup.format(), which takes longer than all of the rest: there are hundreds on a page.
    time = f'<time datetime="{stated}" title="{title}">{words}</time>'
    return Markup(time)  # noqa: S704  # digits, signs and words of our own


def _in_utc(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


@undescribed("a page for people: the sections, which /+openapi.json has as paths")
def home(context: AppRoot, request: Request) -> dict[str, Any]:
    """The home page."""
    return {"title": "Librarian"}


@describes("/robots.txt", "app", "public", "restricted", "ops", GET=does("Crawlers are kept out", text()))
def robots(context: Any, request: Request) -> Response:
    """Keep crawlers out, on every endpoint."""
    return Response(ROBOTS, content_type="text/plain", charset="utf-8")
