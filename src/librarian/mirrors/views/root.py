"""``/mirrors``: the distributions."""

from collections.abc import Mapping
from typing import Any, ClassVar

from pyramid.request import Request
from pyramid.response import Response
from wtforms.fields import StringField, URLField
from wtforms.validators import DataRequired, Length
from zope.component import getUtility
from zope.interface import implementer

from librarian.mirrors.interfaces import BadBaseURL, IDistributionSet, NameInUse
from librarian.mirrors.views.common import path_of, registry_page
from librarian.people.interfaces import BadDisplayName, BadName
from librarian.web.forms import PageForm, by_form, by_method, done, text
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


class DistributionForm(PageForm):
    """A new distribution."""

    blames: ClassVar = {
        NameInUse: "name",
        BadName: "name",
        BadDisplayName: "display_name",
        BadBaseURL: "main_url",
    }

    name = StringField(
        "Name, as in URLs",
        [DataRequired("A name is needed."), Length(max=64)],
        description="Letters a to z, digits, and . + - in it",
        render_kw={"autocapitalize": "none"},
    )
    display_name = StringField(
        "Name, as people say it", [DataRequired("A name to show is needed."), Length(max=200)]
    )
    main_url = URLField("URL of the archive itself")


def _distributions(context: Mirrors, request: Request, form: PageForm | None = None) -> Response:
    distributions = getUtility(IDistributionSet)
    values = {
        "_title": "Mirrors",
        "_form": form or DistributionForm(),
        "_may_add": request.has_permission("librarian.mirrors.Review", distributions),
        "distributions": [_summary(each) for each in distributions],
    }
    return registry_page(request, "distributions", values)


def _summary(distribution: Any) -> dict[str, Any]:
    mirrors = list(distribution.mirrors)  # read once: there may be many
    enabled = [mirror for mirror in mirrors if mirror.enabled]
    return {
        "name": distribution.name,
        "display_name": distribution.display_name,
        "mirrors": len(mirrors),
        "enabled": len(enabled),
        "official": sum(mirror.isOfficial() for mirror in enabled),
    }


def _add_distribution(context: Mirrors, request: Request) -> Response:
    def change(fields: Mapping[str, Any]) -> Response:
        added = getUtility(IDistributionSet).new(
            text(fields, "name"), text(fields, "display_name"), text(fields, "main_url", "") or None
        )
        return done(request, path_of(added), {"name": added.name, "id": added.id}, 201)

    return by_form(request, DistributionForm, change, lambda form: _distributions(context, request, form))


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
