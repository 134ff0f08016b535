"""``/mirrors``: the distributions."""

from typing import Any

from pyramid.request import Request
from pyramid.response import Response
from zope.component import getUtility
from zope.interface import implementer

from librarian.mirrors.interfaces import IDistributionSet
from librarian.mirrors.views.common import path_of, registry_page
from librarian.web.forms import by_method, done, fields_of, text
from librarian.web.interfaces import IAppSection
from librarian.web.openapi.declaring import changes, describes, does, fields, page_of
from librarian.web.openapi.schemas import COUNT, TEXT, URL, WORD, array, obj


class Mirrors:
    """``/mirrors``: distributions by name, and their mirrors by name below them."""

    __name__ = "mirrors"

    def __init__(self, parent: Any) -> None:
        self.__parent__ = parent

    def __getitem__(self, name: str) -> Any:
        return getUtility(IDistributionSet)[name]


@implementer(IAppSection)
class MirrorsSection:
    """The link to the mirrors, and their container."""

    title = "Mirrors"
    description = "Where distributions can be fetched from: which mirrors are there, complete and fresh."

    def root(self, parent: Any, request: Request) -> Mirrors:
        return Mirrors(parent)


mirrors_section = MirrorsSection()


def _distributions(context: Mirrors, request: Request) -> Response:
    distributions = getUtility(IDistributionSet)
    values = {
        "_title": "Mirrors",
        "_may_add": request.has_permission("librarian.mirrors.Review", distributions),
        "distributions": [
            {
                "name": each.name,
                "display_name": each.display_name,
                "mirrors": len(each.mirrors),
                "enabled": len(each.enabled_mirrors),
                "official": len(each.enabled_official_mirrors),
            }
            for each in distributions
        ],
    }
    return registry_page(request, "distributions", values)


def _add_distribution(context: Mirrors, request: Request) -> Response:
    fields = fields_of(request)
    added = getUtility(IDistributionSet).new(
        text(fields, "name"), text(fields, "display_name"), text(fields, "main_url", "") or None
    )
    return done(request, path_of(added), {"name": added.name, "id": added.id}, 201)


_DISTRIBUTION = obj(name=TEXT, display_name=TEXT, mirrors=COUNT, enabled=COUNT, official=COUNT)

distributions = describes(
    "/mirrors",
    GET=does("All distributions", page_of(obj(distributions=array(_DISTRIBUTION)))),
    POST=changes(
        obj(name=TEXT, id=COUNT),
        fields("name", "display_name", name=WORD, display_name=TEXT, main_url=URL),
        201,
        "Add a distribution",
    ),
)(by_method(GET=_distributions, POST=_add_distribution))
