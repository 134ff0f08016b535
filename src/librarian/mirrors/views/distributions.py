"""``/mirrors/<distribution>``: its releases, and its mirrors by country."""

from collections.abc import Iterable
from itertools import groupby
from typing import Any

from pyramid.request import Request
from pyramid.response import Response
from zope.component import getUtility

from librarian.countries.interfaces import ICountrySet
from librarian.mirrors.views.common import path_of, registry_page, status_title
from librarian.mirrors.views.serializers import MIRROR, describe
from librarian.web.forms import by_method, done, fields_of, text
from librarian.web.openapi.declaring import changes, describes, does, fields, page_of
from librarian.web.openapi.schemas import CHECKBOX, FLAG, TEXT, URL, WORD, array, nullable, obj


def _show_distribution(context: Any, request: Request) -> Response:
    """The mirrors by country, with what is known of each."""
    found = [describe(mirror) for mirror in context.mirrors]
    values = {
        "_title": f"Mirrors of {context.display_name}",
        "_countries": _by_country(found),
        "_path": path_of(context),
        "_may_review": request.has_permission("librarian.mirrors.Review", context),
        "_may_register": request.has_permission("librarian.mirrors.Register", context),
        "_show": status_title,
        "name": context.name,
        "display_name": context.display_name,
        "main_url": context.main_url,
        "releases": [_describe_release(release) for release in context.releases],
        "mirrors": found,
    }
    return registry_page(request, "distribution", values)


def _change_distribution(context: Any, request: Request) -> Response:
    """Any of: display_name, main_url, new_release, and release with active (yes or no).

    A new release is a name; its components and architectures come from the archive.
    """
    fields = fields_of(request)
    if "display_name" in fields:
        context.display_name = text(fields, "display_name")
    if "main_url" in fields:
        context.main_url = text(fields, "main_url") or None
    if "new_release" in fields:
        context.newRelease(text(fields, "new_release"), text(fields, "version", ""), [])
    if "release" in fields:
        context.getRelease(text(fields, "release")).active = fields.get("active") in (True, "yes")
    releases = [_describe_release(release) for release in context.releases]
    return done(request, path_of(context), {"main_url": context.main_url, "releases": releases})


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
    GET=does("A distribution with its releases and mirrors", page_of(_DISTRIBUTION)),
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


def _by_country(mirrors: Iterable[dict[str, Any]]) -> list[tuple[str, list[dict[str, Any]]]]:
    """(country's name, its mirrors), both in the order of names."""
    countries = getUtility(ICountrySet)
    named = sorted(mirrors, key=lambda each: (countries[each["country"]].name, each["name"]))
    return [
        (name, list(group))
        for name, group in groupby(named, key=lambda each: countries[each["country"]].name)
    ]
