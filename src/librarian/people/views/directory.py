"""``/people``: the list of persons and teams, and adding one."""

from collections.abc import Mapping
from typing import Any, ClassVar

from pyramid.httpexceptions import HTTPBadRequest
from pyramid.request import Request
from pyramid.response import Response
from wtforms import SelectChoice
from wtforms.fields import EmailField, PasswordField, SelectField, StringField
from wtforms.validators import DataRequired, Length
from zope.component import getUtility
from zope.interface import implementer

from librarian.people.credentials.interfaces import ICredentialSet, WeakPassword
from librarian.people.interfaces import (
    BadDisplayName,
    BadEmail,
    BadName,
    EmailTaken,
    IPersonSet,
    ITeamSet,
    NameTaken,
    NoSuchPerson,
)
from librarian.people.views.description import PERSON, TEAM, describe_person, describe_team, path_of
from librarian.web.forms import PageForm, by_form, by_method, done, page, text
from librarian.web.interfaces import IAppSection
from librarian.web.openapi.declaring import changes, describes, does, fields, page_of
from librarian.web.openapi.schemas import TEXT, WORD, array, obj, one_of, told

KINDS = ("person", "team")


class Directory:
    """``/people``: persons and teams by name."""

    __name__ = "people"

    def __init__(self, parent: Any) -> None:
        self.__parent__ = parent

    def __getitem__(self, name: str) -> Any:
        try:
            return participant_named(name)
        except NoSuchPerson:
            raise KeyError(name) from None


@implementer(IAppSection)
class PeopleSection:
    """The section ``/people`` of the web application."""

    title = "People"
    description = "Persons and their teams; your own password, API tokens and sessions."

    def root(self, parent: Any, request: Request) -> Directory:
        return Directory(parent)


people_section = PeopleSection()


NAMING: Mapping[type[Exception], str] = {
    BadName: "name",
    NameTaken: "name",
    BadDisplayName: "display_name",
    BadEmail: "email",
    EmailTaken: "email",
    WeakPassword: "password",
    NoSuchPerson: "owner",
}


class AddForm(PageForm):
    """A new person or a new team."""

    blames: ClassVar = NAMING

    kind = SelectField(
        "What", choices=[SelectChoice("person", "A person"), SelectChoice("team", "A team")], default="person"
    )
    name = StringField(
        "Name, as in URLs",
        [DataRequired("A name is needed."), Length(max=64)],
        description="Letters a to z, digits, and . + - in it",
        render_kw={"autocapitalize": "none"},
    )
    display_name = StringField("Display name", [DataRequired("A name to show is needed."), Length(max=200)])
    email = EmailField("E-mail address (of a person)", [Length(max=254)])
    password = PasswordField(
        "Password (of a person)", [Length(max=1024)], render_kw={"autocomplete": "new-password"}
    )
    owner = StringField(
        "Owner (of a team): a person or another team", [Length(max=64)], render_kw={"autocapitalize": "none"}
    )


def participant_named(name: str) -> Any:
    """The person or the team called `name`.  Raises NoSuchPerson."""
    found = getUtility(IPersonSet).getByName(name) or getUtility(ITeamSet).getByName(name)
    if found is None:
        raise NoSuchPerson(name)
    return found


def set_display_name(participant: Any, fields: Mapping[str, Any]) -> None:
    """Change the display name if a form or JSON object has the field ``display_name``."""
    if "display_name" in fields:
        participant.display_name = text(fields, "display_name")


def _list(context: Directory, request: Request, form: PageForm | None = None) -> Response:
    people, teams = getUtility(IPersonSet), getUtility(ITeamSet)
    values = {
        "_title": "People",
        "_form": form or AddForm(),
        "_may_add": request.has_permission("librarian.Admin", people),
        "people": [{"name": one.name, "display_name": one.display_name} for one in people],
        "teams": [{"name": one.name, "display_name": one.display_name} for one in teams],
    }
    return page(request, "librarian.people:templates/people.jinja2", values)


def _add(context: Directory, request: Request) -> Response:
    def change(fields: Mapping[str, Any]) -> Response:
        name, display_name = text(fields, "name"), text(fields, "display_name")
        kind = fields.get("kind", KINDS[0])
        if kind not in KINDS:
            raise HTTPBadRequest(f"kind is {' or '.join(KINDS)}.")
        if kind == "team":
            owner = text(fields, "owner", "")
            team = getUtility(ITeamSet).new(name, display_name, participant_named(owner) if owner else None)
            return done(request, path_of(team), describe_team(team), 201)
        person = getUtility(IPersonSet).new(name, display_name, text(fields, "email", "") or None)
        if text(fields, "password", ""):
            getUtility(ICredentialSet).of(person).setPassword(text(fields, "password"))
        return done(request, path_of(person), describe_person(person, request), 201)

    return by_form(request, AddForm, change, lambda form: _list(context, request, form))


_NAMED = array(obj(name=TEXT, display_name=TEXT))

directory = describes(
    "/people",
    GET=does("All persons and teams", page_of(obj(people=_NAMED, teams=_NAMED))),
    POST=changes(
        {"anyOf": [PERSON, TEAM]},
        fields(
            "name",
            "display_name",
            name=WORD,
            display_name=WORD,
            kind=one_of(KINDS),
            email=TEXT,
            password=TEXT,
            owner=told(TEXT, "of a team: a person or a team"),
        ),
        201,
        "Add a person or a team",
    ),
)(by_method(GET=_list, POST=_add))
