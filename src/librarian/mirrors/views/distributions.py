"""``/mirrors/<distribution>``: its releases, and a board of its mirrors."""

from collections.abc import Mapping
from typing import Any, ClassVar

from pyramid.request import Request
from pyramid.response import Response
from wtforms.fields import StringField
from wtforms.validators import Length

from librarian.mirrors.interfaces import NameInUse
from librarian.mirrors.views.board import board_values
from librarian.mirrors.views.common import path_of, registry_page
from librarian.mirrors.views.serializers import MIRROR, describe
from librarian.people.interfaces import BadName
from librarian.web.errors import wants_page
from librarian.web.forms import PageForm, by_form, by_method, checked, done, text
from librarian.web.openapi.declaring import changes, describes, does, fields, page_of
from librarian.web.openapi.schemas import CHECKBOX, FLAG, TEXT, URL, WORD, array, nullable, obj, told


class ReleaseForm(PageForm):
    """A new release."""

    blames: ClassVar = {BadName: "new_release", NameInUse: "new_release"}

    new_release = StringField(
        "Name, as its suites begin",
        [Length(max=64)],
        description="Letters a to z, digits, and . + - in it",
        render_kw={"required": True, "autocapitalize": "none"},
    )
    version = StringField("Version", [Length(max=64)])


def _show_distribution(context: Any, request: Request, form: PageForm | None = None) -> Response:
    """A board of the mirrors for people; all that is known of each for programs."""
    values = {
        "_title": f"Mirrors of {context.display_name}",
        "_path": path_of(context),
        "_form": form or ReleaseForm(),
        "_may_review": request.has_permission("librarian.mirrors.Review", context),
        "_may_register": request.has_permission("librarian.mirrors.Register", context),
        "name": context.name,
        "display_name": context.display_name,
        "main_url": context.main_url,
        "releases": [_describe_release(release) for release in context.releases],
        "mirrors": [] if wants_page(request) else [describe(mirror) for mirror in context.mirrors],
    }
    if wants_page(request):
        values.update(board_values(context, request))
    return registry_page(request, "distribution", values)


def _change_distribution(context: Any, request: Request) -> Response:
    """Any of: display_name, main_url, new_release, and release with active (yes or no).

    A new release is a name; its components and architectures come from the archive.
    """

    def change(fields: Mapping[str, Any]) -> Response:
        _set(context, fields)
        releases = [_describe_release(release) for release in context.releases]
        return done(request, path_of(context), {"main_url": context.main_url, "releases": releases})

    return by_form(request, ReleaseForm, change, lambda form: _show_distribution(context, request, form))


def _set(distribution: Any, fields: Mapping[str, Any]) -> None:
    if "display_name" in fields:
        distribution.display_name = text(fields, "display_name")
    if "main_url" in fields:
        distribution.main_url = text(fields, "main_url") or None
    if "new_release" in fields:
        distribution.newRelease(text(fields, "new_release"), text(fields, "version", ""), [])
    if "release" in fields:
        distribution.getRelease(text(fields, "release")).active = checked(fields, "active")


_RELEASE = obj(name=TEXT, version=TEXT, active=FLAG, components=array(TEXT), architectures=array(TEXT))
_DISTRIBUTION = obj(
    name=TEXT, display_name=TEXT, main_url=nullable(URL), releases=array(_RELEASE), mirrors=array(MIRROR)
)
_CHANGES = changes(
    obj(main_url=nullable(URL), releases=array(_RELEASE)),
    fields(display_name=TEXT, main_url=TEXT, new_release=WORD, version=TEXT, release=WORD, active=CHECKBOX),
    summary="Change the distribution, or add a release",
)

distribution_index = describes(
    "/mirrors/{distribution}",
    GET=does(
        "A distribution with its releases and mirrors",
        page_of(_DISTRIBUTION),
        query={"sort": told(TEXT, "the order of the board for people"), "after": TEXT},
    ),
    POST=_CHANGES,
    PATCH=_CHANGES,
)(by_method(GET=_show_distribution, POST=_change_distribution, PATCH=_change_distribution))


def _describe_release(release: Any) -> dict[str, Any]:
    return {
        "name": release.name,
        "version": release.version,
        "active": release.active,
        "components": [component.name for component in release.components],
        "architectures": [each.architecture for each in release.arch_releases],
    }
