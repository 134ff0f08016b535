"""Mirrors in the web application: ``/mirrors``, for people, their programs and the clients of an archive."""

from collections.abc import Iterable, Mapping
from enum import Enum
from itertools import groupby
from typing import Any, TypeVar

from pyramid.httpexceptions import HTTPBadRequest, HTTPForbidden, HTTPNotFound
from pyramid.request import Request
from pyramid.response import Response
from zope.component import getUtility
from zope.interface import implementer

from librarian.countries import ICountrySet
from librarian.interfaces import IClock
from librarian.mirrors.dispatch.scoring import score_of
from librarian.mirrors.enums import (
    MirrorContent,
    MirrorPulseType,
    MirrorReviewStatus,
    MirrorSpeed,
    MirrorStatus,
)
from librarian.mirrors.interfaces import IDistributionSet
from librarian.mirrors.views import listing
from librarian.mirrors.views.description import (
    describe,
    describe_contents,
    describe_record,
    describe_score,
    describe_troubles,
    listed,
)
from librarian.mirrors.views.plot import lag_plot
from librarian.security.interaction import current_principal
from librarian.web.forms import by_method, done, page, sent, text
from librarian.web.identity import place_of
from librarian.web.views import IAppSection

E = TypeVar("E", bound=Enum)
# What a probe finds may be otherwise a moment later: no answer is used twice without asking again (RFC 9111).
_MOMENT = "private, no-cache"


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


def _page(request: Request, template: str, values: Mapping[str, Any]) -> Response:
    """`values` on a page of ours, or as JSON."""
    return page(request, f"librarian.mirrors:templates/{template}.jinja2", values)


def _now() -> Any:
    return getUtility(IClock).now()


def path_of(thing: Any, *more: str) -> str:
    """The path of a distribution or a mirror."""
    distribution = getattr(thing, "distribution", None)
    names = [thing.name] if distribution is None else [distribution.name, thing.name]
    return "/".join(("/mirrors", *names, *more))


# -- /mirrors


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
    return _page(request, "distributions", values)


def _add_distribution(context: Mirrors, request: Request) -> Response:
    fields = sent(request)
    added = getUtility(IDistributionSet).new(
        text(fields, "name"), text(fields, "display_name"), text(fields, "main_url", "") or None
    )
    return done(request, path_of(added), {"name": added.name, "id": added.id}, 201)


distributions = by_method(GET=_distributions, POST=_add_distribution)


# -- /mirrors/<distribution>


def _show_distribution(context: Any, request: Request) -> Response:
    """The mirrors by country, with what is known of each."""
    found = [describe(mirror) for mirror in context.mirrors]
    values = {
        "_title": f"Mirrors of {context.display_name}",
        "_countries": _by_country(found),
        "_path": path_of(context),
        "_may_review": request.has_permission("librarian.mirrors.Review", context),
        "_may_register": request.has_permission("librarian.mirrors.Register", context),
        "_show": _status_title,
        "name": context.name,
        "display_name": context.display_name,
        "main_url": context.main_url,
        "releases": [_describe_release(release) for release in context.releases],
        "mirrors": found,
    }
    return _page(request, "distribution", values)


def _change_distribution(context: Any, request: Request) -> Response:
    """Any of: display_name, main_url, new_release, and release with active (yes or no).

    A new release is a name; its components and architectures come from the archive.
    """
    fields = sent(request)
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


distribution_index = by_method(GET=_show_distribution, POST=_change_distribution, PATCH=_change_distribution)


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


def _status_title(name: str) -> str:
    return MirrorStatus[name].title


def _short_time(time: str) -> str:
    """A time as pages show it, from one in RFC 3339 and UTC."""
    return f"{time[:10]} {time[11:16]} UTC"


def _register_form(context: Any, request: Request) -> Response:
    if not current_principal().authenticated:
        _ = context.newMirror  # raises Unauthorized, which invites to log in
    values = {
        "_title": f"Register a mirror of {context.display_name}",
        "_path": path_of(context),
        "_countries": list(getUtility(ICountrySet)),
        "speeds": {each.name: each.title for each in MirrorSpeed},
        "contents": [each.name for each in MirrorContent],
        "pulse_types": [each.name for each in MirrorPulseType],
    }
    return _page(request, "register", values)


def _register(context: Any, request: Request) -> Response:
    fields = sent(request)
    register_mirror, owner = context.newMirror, current_principal().person  # the first asks who may
    if owner is None:
        raise HTTPForbidden("A mirror is owned by a person.")
    mirror = register_mirror(
        owner,
        text(fields, "name"),
        _member(MirrorSpeed, fields, "speed", "S1G"),
        getUtility(ICountrySet)[text(fields, "country")],
        _member(MirrorContent, fields, "content", "ARCHIVE"),
        _member(MirrorPulseType, fields, "pulse_type", "PULL"),
        **{f"{each}_base_url": text(fields, f"{each}_base_url", "") or None for each in _SCHEMES},
    )
    return done(request, path_of(mirror), describe(mirror), 201)


register = by_method(GET=_register_form, POST=_register)
_SCHEMES = ("http", "https", "ftp")


def _member(kind: type[E], fields: Mapping[str, Any], name: str, default: str | None = None) -> E:
    """The member of an enumeration that a field names.  Raises HTTPBadRequest."""
    given = text(fields, name, default)
    try:
        return kind[given.upper()]
    except KeyError:
        known = ", ".join(each.name for each in kind)
        raise HTTPBadRequest(f"{name} must be one of {known}.") from None


def _country_of(request: Request) -> str | None:
    """Where whoever asks is: what they say, or else what their address says."""
    stated = request.GET.get("country")
    if stated:
        return str(getUtility(ICountrySet)[stated].iso3166code2)
    found = getUtility(ICountrySet).getByAddress(place_of(request))
    return None if found is None else str(found.iso3166code2)


def _ordered(context: Any, country: str | None) -> list[listing.ListedMirror]:
    archives = [each for each in context.enabled_official_mirrors if each.content is MirrorContent.ARCHIVE]
    return listing.order_for(country, listed(archives), context.main_url)


def mirrorlist(context: Any, request: Request) -> Response:
    """``+mirrorlist``: official mirrors, those of the caller's country first, the main one last."""
    country = _country_of(request)
    response = Response(
        listing.mirrorlist(_ordered(context, country)), content_type="text/plain", charset="utf-8"
    )
    response.headers["X-Generated-For-Country"] = country or "Unknown"
    response.cache_control = _MOMENT
    return response


def metalink(context: Any, request: Request) -> Response:
    """``+metalink?path=pool/...``: where to fetch a file of the archive, and how to verify it."""
    path = request.GET.get("path", "")
    found = next((each for each in (part.get(path) for part in _all_publications(context)) if each), None)
    if found is None or not found.sha256:
        raise HTTPNotFound
    file = listing.MetalinkFile(found.path, found.size, found.sha256, found.date)
    body = listing.metalink(file, _ordered(context, _country_of(request)))
    response = Response(body, content_type=listing.METALINK_TYPE)
    response.cache_control = _MOMENT
    return response


def _all_publications(distribution: Any) -> Iterable[Any]:
    for release in distribution.releases:
        yield from release.all_publications
        for arch_release in release.arch_releases:
            yield from arch_release.all_publications


# -- /mirrors/<distribution>/<mirror>


def _show_mirror(context: Any, request: Request) -> Response:
    may_edit = request.has_permission("librarian.Edit", context)
    values = {
        **describe(context),
        "contents": describe_contents(context),
        "troubles": describe_troubles(context),
        "_title": context.display_name,
        "_mirror": context,
        "_path": path_of(context),
        "_show": _status_title,
        "_when": _short_time,
        "_records": [describe_record(each) for each in context.probe_records[:20]],
        "_may_edit": may_edit,
        "_may_review": request.has_permission("librarian.mirrors.Review", context),
        "_may_see_logs": request.has_permission("librarian.mirrors.ViewLogs", context),
        "_review_statuses": list(MirrorReviewStatus),
    }
    return _page(request, "mirror", values)


def _change_mirror(context: Any, request: Request) -> Response:
    """Any of: display_name, enabled (yes or no), and the three base URLs together."""
    fields = sent(request)
    if "display_name" in fields:
        context.display_name = text(fields, "display_name")
    if any(f"{scheme}_base_url" in fields for scheme in _SCHEMES):
        context.setBaseURLs(*(text(fields, f"{scheme}_base_url", "") or None for scheme in _SCHEMES))
    if "enabled" in fields:
        context.enabled = fields["enabled"] in (True, "yes")
    return done(request, path_of(context), describe(context))


mirror_index = by_method(GET=_show_mirror, POST=_change_mirror, PATCH=_change_mirror)


def _review(context: Any, request: Request) -> Response:
    status = _member(MirrorReviewStatus, sent(request), "status")
    context.review(status, current_principal().person)
    return done(request, path_of(context), describe(context))


def _resubmit(context: Any, request: Request) -> Response:
    context.resubmitForReview()
    return done(request, path_of(context), describe(context))


review = by_method(POST=_review)
resubmit = by_method(POST=_resubmit)


def history(context: Any, request: Request) -> Response:
    """``+history``: every remembered probe as JSON, newest first, with the score."""
    records = [describe_record(each) for each in context.probe_records]
    found = describe_score(score_of(context, _now()))
    response = Response(json_body={"name": context.name, "score": found, "probes": records})
    response.cache_control = _MOMENT
    return response


def plot(context: Any, request: Request) -> Response:
    """``+plot.svg``: how far behind the mirror was at each probe."""
    now = _now()
    body = lag_plot([describe_record(each) for each in reversed(context.probe_records[:200])], now)
    response = Response(body, content_type="image/svg+xml", charset="utf-8")
    response.cache_control = _MOMENT
    return response


def log(context: Any, request: Request) -> Response:
    """``+log/<date>``: the log of one probe, for those who may read it."""
    wanted = request.subpath[0] if len(request.subpath) == 1 else ""
    record = next((each for each in context.probe_records if each.date_created.isoformat() == wanted), None)
    if record is None:
        raise HTTPNotFound
    body = record.read_log()
    if body is None:
        raise HTTPNotFound
    return Response(body, content_type="text/plain", charset="utf-8")
