"""``/people/<name>`` of a team: the page and the membership."""

from typing import Any

from pyramid.httpexceptions import HTTPNotFound
from pyramid.request import Request
from pyramid.response import Response

from librarian.people.views.description import TEAM, describe_team, facts_about, path_of, with_facts
from librarian.people.views.directory import participant_named, set_display_name
from librarian.web.forms import by_method, done, fields_of, page, text
from librarian.web.openapi.declaring import changes, describes, does, fields, page_of
from librarian.web.openapi.schemas import TEXT, WORD
from librarian.web.requests.methods import takes


def _show(context: Any, request: Request) -> Response:
    values = {
        **describe_team(context),
        **facts_about(context),
        "_title": context.display_name,
        "_may_edit": request.has_permission("librarian.Edit", context),
    }
    return page(request, "librarian.people:templates/team.jinja2", values)


def _change(context: Any, request: Request) -> Response:
    fields = fields_of(request)
    set_display_name(context, fields)
    if "owner" in fields:
        owner = text(fields, "owner")
        context.setOwner(participant_named(owner) if owner else None)
    return done(request, path_of(context), describe_team(context))


_CHANGES = changes(TEAM, fields(display_name=WORD, owner=TEXT), summary="Change a team")

index = describes(
    "/people/{name}",
    GET=does("A person or a team", page_of(with_facts(TEAM))),
    POST=_CHANGES,
    PATCH=_CHANGES,
)(by_method(GET=_show, POST=_change, PATCH=_change))


def _join(context: Any, request: Request) -> Response:
    context.addMember(participant_named(text(fields_of(request), "member")))
    return done(request, path_of(context), describe_team(context))


def _leave(context: Any, request: Request) -> Response:
    if len(request.subpath) != 1:
        raise HTTPNotFound()
    context.removeMember(participant_named(request.subpath[0]))
    return done(request, path_of(context), describe_team(context))


_add_member = by_method(POST=_join)
_one_member = by_method(POST=_leave, DELETE=_leave)


_LEAVES = changes(TEAM, summary="Remove a member")


@describes(
    "/people/{name}/+members", POST=changes(TEAM, fields("member", member=WORD), summary="Add a member")
)
@describes("/people/{name}/+members/{member}", POST=_LEAVES, DELETE=_LEAVES)
@takes("POST", "DELETE")
def members(context: Any, request: Request) -> Response:
    """``+members`` to add a member, ``+members/<name>`` to remove one."""
    return (_one_member if request.subpath else _add_member)(context, request)
