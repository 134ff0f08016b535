"""The web application's root, and the sections in it."""

from typing import Any

from pyramid.request import Request
from pyramid.response import Response
from zope.component import getUtilitiesFor, queryUtility

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


@undescribed("a page for people: the sections, which /+openapi.json has as paths")
def home(context: AppRoot, request: Request) -> dict[str, Any]:
    """The home page."""
    return {"title": "Librarian"}


@describes("/robots.txt", "app", "public", "restricted", "ops", GET=does("Crawlers are kept out", text()))
def robots(context: Any, request: Request) -> Response:
    """Keep crawlers out, on every endpoint."""
    return Response(ROBOTS, content_type="text/plain", charset="utf-8")
