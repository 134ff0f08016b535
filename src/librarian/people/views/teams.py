"""``/people/<name>`` of a team: the page and the membership."""

from collections.abc import Mapping
from typing import Any, ClassVar

from pyramid.httpexceptions import HTTPNotFound
from pyramid.request import Request
from pyramid.response import Response
from wtforms.fields import StringField
from wtforms.validators import DataRequired, Length

from librarian.people.interfaces import MembershipCycle, NoSuchPerson
from librarian.people.views.description import TEAM, describe_team, facts_about, path_of, with_facts
from librarian.people.views.directory import NAMING, participant_named, set_display_name
from librarian.web.forms import PageForm, by_form, by_method, done, page, text
from librarian.web.openapi.declaring import changes, describes, does, fields, page_of
from librarian.web.openapi.schemas import TEXT, WORD
from librarian.web.requests.methods import takes

_PLAIN = {"autocapitalize": "none"}


class TeamForm(PageForm):
    """What is known of a team."""

    blames: ClassVar = NAMING

    display_name = StringField("Display name", [DataRequired("A name to show is needed."), Length(max=200)])
    owner = StringField(
        "Owner: a person or a team; administrators if it is left empty", [Length(max=64)], render_kw=_PLAIN
    )


class MemberForm(PageForm):
    """A new member."""

    blames: ClassVar = {NoSuchPerson: "member", MembershipCycle: "member"}

    member = StringField("Person or team", [DataRequired("Who joins?"), Length(max=64)], render_kw=_PLAIN)


def _show(context: Any, request: Request, **forms: PageForm) -> Response:
    """The page of a team; `forms` are those that were refused: `form` or `member_form`."""
    described = describe_team(context)
    values = {
        **described,
        **facts_about(context),
        "_title": context.display_name,
        "_may_edit": request.has_permission("librarian.Edit", context),
        "_form": forms.get("form") or TeamForm(data=described),
        "_member_form": forms.get("member_form") or MemberForm(),
    }
    return page(request, "librarian.people:templates/team.jinja2", values)


def _change(context: Any, request: Request) -> Response:
    def change(fields: Mapping[str, Any]) -> Response:
        set_display_name(context, fields)
        if "owner" in fields:
            owner = text(fields, "owner")
            context.setOwner(participant_named(owner) if owner else None)
        return done(request, path_of(context), describe_team(context))

    return by_form(request, TeamForm, change, lambda form: _show(context, request, form=form))


_CHANGES = changes(TEAM, fields(display_name=WORD, owner=TEXT), summary="Change a team")

index = describes(
    "/people/{name}",
    GET=does("A person or a team", page_of(with_facts(TEAM))),
    POST=_CHANGES,
    PATCH=_CHANGES,
)(by_method(GET=_show, POST=_change, PATCH=_change))


def _join(context: Any, request: Request) -> Response:
    def change(fields: Mapping[str, Any]) -> Response:
        context.addMember(participant_named(text(fields, "member")))
        return done(request, path_of(context), describe_team(context))

    return by_form(request, MemberForm, change, lambda form: _show(context, request, member_form=form))


def _leave(context: Any, request: Request) -> Response:
    if len(request.subpath) != 1:
        raise HTTPNotFound()
    context.removeMember(participant_named(request.subpath[0]))
    return done(request, path_of(context), describe_team(context))


_add_member = by_method(POST=_join)
_one_member = by_method(POST=_leave, DELETE=_leave)


def _methods(request: Request) -> tuple[str, ...]:
    return ("DELETE", "POST") if request.subpath else ("POST",)


_LEAVES = changes(TEAM, summary="Remove a member")


@describes(
    "/people/{name}/+members", POST=changes(TEAM, fields("member", member=WORD), summary="Add a member")
)
@describes("/people/{name}/+members/{member}", POST=_LEAVES, DELETE=_LEAVES)
@takes("POST", "DELETE", at=_methods)
def members(context: Any, request: Request) -> Response:
    """``+members`` to add a member, ``+members/<name>`` to remove one."""
    return (_one_member if request.subpath else _add_member)(context, request)
