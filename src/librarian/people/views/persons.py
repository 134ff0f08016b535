"""``/people/<name>`` of a person: the page, the password and the sessions."""

from collections.abc import Mapping
from typing import Any, ClassVar

from pyramid.request import Request
from pyramid.response import Response
from wtforms.fields import EmailField, PasswordField, StringField
from wtforms.validators import DataRequired, InputRequired, Length
from zope.component import getUtility

from librarian.people.credentials.interfaces import (
    IAuthenticator,
    ICredentialSet,
    NotTheCurrentPassword,
    WeakPassword,
    WrongCredentials,
)
from librarian.people.login import begin_session
from librarian.people.views.description import PERSON, describe_person, facts_about, path_of, with_facts
from librarian.people.views.directory import NAMING, set_display_name
from librarian.security.interaction import current_principal
from librarian.web.forms import PageForm, by_form, by_method, checked, done, fields_of, page, text
from librarian.web.identity import client_address, session_secret
from librarian.web.openapi.declaring import changes, describes, does, fields, page_of
from librarian.web.openapi.schemas import CHECKBOX, TEXT, WORD, array, obj


class PersonForm(PageForm):
    """What is known of a person."""

    blames: ClassVar = NAMING

    display_name = StringField("Display name", [DataRequired("A name to show is needed."), Length(max=200)])
    email = EmailField("E-mail address", [Length(max=254)])


class PasswordForm(PageForm):
    """A new password, and the current one of those who change their own."""

    blames: ClassVar = {WeakPassword: "new", NotTheCurrentPassword: "current"}

    current = PasswordField(
        "Current password", [Length(max=1024)], render_kw={"autocomplete": "current-password"}
    )
    new = PasswordField(
        "New password, at least 12 characters",
        [InputRequired("A new password is needed."), Length(max=1024)],
        render_kw={"autocomplete": "new-password", "minlength": 12},
    )


def _show(context: Any, request: Request, **forms: PageForm) -> Response:
    """The page of a person; `forms` are those that were refused: `form` or `password_form`."""
    may_edit = request.has_permission("librarian.Edit", context)
    described = describe_person(context, request)
    stated = {"display_name": context.display_name, "email": described.get("email")}
    values = {
        **described,
        **facts_about(context),
        "_title": context.display_name,
        "_may_edit": may_edit,
        "_may_disable": request.has_permission("librarian.Admin", context),
        "_is_oneself": _is_oneself(context),
        "_sessions": list(getUtility(ICredentialSet).of(context).sessions()) if may_edit else [],
        "_form": forms.get("form") or PersonForm(data=stated),
        "_password_form": forms.get("password_form") or PasswordForm(),
    }
    return page(request, "librarian.people:templates/person.jinja2", values)


def _change(context: Any, request: Request) -> Response:
    def change(fields: Mapping[str, Any]) -> Response:
        set_display_name(context, fields)
        if "email" in fields:
            context.setEmail(text(fields, "email") or None)
        if "active" in fields:
            (context.enable if checked(fields, "active") else context.disable)()
        return done(request, path_of(context), describe_person(context, request))

    if "display_name" not in fields_of(request):  # a button that disables
        return change(fields_of(request))
    return by_form(request, PersonForm, change, lambda form: _show(context, request, form=form))


_CHANGES = changes(PERSON, fields(display_name=WORD, email=TEXT, active=CHECKBOX), summary="Change a person")

index = describes(
    "/people/{name}",
    GET=does("A person or a team", page_of(with_facts(PERSON))),
    POST=_CHANGES,
    PATCH=_CHANGES,
)(by_method(GET=_show, POST=_change, PATCH=_change))


def _is_oneself(person: Any) -> bool:
    acting = current_principal().person
    return acting is not None and bool(acting.name == person.name)


def _set_password(context: Any, request: Request) -> Response:
    def change(fields: Mapping[str, Any]) -> Response:
        credentials, oneself = getUtility(ICredentialSet).of(context), _is_oneself(context)
        if oneself and credentials.has_password:
            _check_current(context, request, text(fields, "current"))
        credentials.setPassword(text(fields, "new"))
        if oneself and session_secret(request) is not None:
            return begin_session(request, current_principal(), path_of(context))
        return done(request, path_of(context), {"name": context.name})

    return by_form(request, PasswordForm, change, lambda form: _show(context, request, password_form=form))


def _check_current(person: Any, request: Request, current: str) -> None:
    """So that a stranger at an open browser cannot take the account over.  Raises NotTheCurrentPassword."""
    try:
        getUtility(IAuthenticator).by_password(person.name, current, client_address(request))
    except WrongCredentials:
        raise NotTheCurrentPassword from None


password = describes(
    "/people/{name}/+password",
    POST=changes(
        obj(name=TEXT),
        fields("new", new=WORD, current=TEXT),
        summary="Set a password; one's own with the current one",
    ),
)(by_method(POST=_set_password))


def _end_sessions(context: Any, request: Request) -> Response:
    getUtility(ICredentialSet).of(context).endSessions()
    return done(request, path_of(context), {"sessions": []})


_ENDS = changes(obj(sessions=array(TEXT)), summary="End all sessions of a person")

sessions = describes("/people/{name}/+sessions", POST=_ENDS, DELETE=_ENDS)(
    by_method(POST=_end_sessions, DELETE=_end_sessions)
)
