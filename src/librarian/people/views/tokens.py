"""``/people/<name>/+tokens``: the API tokens of a person."""

from collections.abc import Mapping
from datetime import timedelta
from functools import partial
from typing import Any, ClassVar

from pyramid.httpexceptions import HTTPBadRequest, HTTPNotFound
from pyramid.request import Request
from pyramid.response import Response
from wtforms import SelectChoice
from wtforms.fields import DecimalField, StringField
from wtforms.validators import DataRequired, InputRequired, Length, NumberRange
from zope.component import getUtilitiesFor, getUtility

from librarian.people.credentials.interfaces import BadToken, ICredentialSet, IScope, NoSuchScope
from librarian.people.views.description import TOKEN, describe_token, path_of
from librarian.web.errors import wants_page
from librarian.web.forms import Boxes, PageForm, by_form, by_method, done, page, text
from librarian.web.openapi.declaring import HTML, Answer, changes, describes, does, fields, gives, page_of
from librarian.web.openapi.schemas import TEXT, WORD, array, extended, obj
from librarian.web.requests.methods import takes


class TokenForm(PageForm):
    """A new token.  Beside each scope with a parameter, `only-<scope>` is what it is limited to."""

    blames: ClassVar = {NoSuchScope: "scopes", BadToken: ""}

    title = StringField("What it is for", [DataRequired("Say what it is for."), Length(max=100)])
    scopes = Boxes("What it may do", [DataRequired("Choose at least one.")])
    days = DecimalField(
        "Days it is good for", [InputRequired("Say for how many days."), NumberRange(min=0)], default=90
    )

    def __init__(self, fields: Any = None) -> None:
        super().__init__(fields)
        found = sorted(getUtilitiesFor(IScope))
        self.scopes.choices = [SelectChoice(name, scope.title) for name, scope in found]
        given = fields or {}
        #: Scope -> the name of its parameter, and what was typed.
        self.limits = {
            name: (scope.parameter, given.get(f"only-{name}", "")) for name, scope in found if scope.parameter
        }


def _list(
    context: Any, request: Request, secret: str | None = None, form: PageForm | None = None
) -> Response:
    values = {
        "tokens": [describe_token(token) for token in getUtility(ICredentialSet).of(context).tokens()],
        "scopes": [
            {"name": name, "title": scope.title, "parameter": scope.parameter}
            for name, scope in sorted(getUtilitiesFor(IScope))
        ],
        "_title": f"API tokens of {context.display_name}",
        "_path": path_of(context, "+tokens"),
        "_person": context.display_name,
        "_secret": secret,
        "_form": form or TokenForm(),
    }
    return page(request, "librarian.people:templates/tokens.jinja2", values)


def _add(context: Any, request: Request) -> Response:
    def change(fields: Mapping[str, Any]) -> Response:
        credentials = getUtility(ICredentialSet).of(context)
        new = credentials.newToken(text(fields, "title"), _wanted_scopes(fields), _lifetime(fields))
        if wants_page(request):
            return _list(context, request, new.secret)
        token = next(token for token in credentials.tokens() if token.id == new.id)
        return Response(json_body={**describe_token(token), "token": new.secret}, status=201)

    again = partial(_list, context, request, None)
    return by_form(request, TokenForm, change, again, lists={"scopes": " "})


def _wanted_scopes(fields: Mapping[str, Any]) -> list[str]:
    """The scopes, each with the limit that a form states for it."""
    wanted = fields.get("scopes", [])
    wanted = wanted.split() if isinstance(wanted, str) else wanted
    if not isinstance(wanted, list) or not all(isinstance(scope, str) for scope in wanted):
        raise HTTPBadRequest("scopes must be a list of strings, or one string with spaces between them.")
    limits = {scope: str(fields.get(f"only-{scope}", "")).strip() for scope in wanted}
    return [f"{scope}:{limits[scope]}" if limits[scope] else scope for scope in wanted]


def _lifetime(fields: Mapping[str, Any]) -> timedelta | None:
    days = fields.get("days", "")
    if days == "":  # a browser sends a field that was left empty
        return None
    if isinstance(days, bool):
        raise HTTPBadRequest("days must be a number.")
    try:
        return timedelta(days=float(days))
    except (TypeError, ValueError, OverflowError):
        raise HTTPBadRequest("days must be a number.") from None


def _revoke(context: Any, request: Request) -> Response:
    if len(request.subpath) != 1:
        raise HTTPNotFound()
    getUtility(ICredentialSet).of(context).revokeToken(request.subpath[0])
    return done(request, path_of(context, "+tokens"), {"id": request.subpath[0]})


_all_tokens = by_method(GET=_list, POST=_add)
_one_token = by_method(POST=_revoke, DELETE=_revoke)


def _methods(request: Request) -> tuple[str, ...]:
    return ("DELETE", "POST") if request.subpath else ("GET", "HEAD", "POST")


_SCOPE = obj(name=TEXT, title=TEXT, parameter=TEXT)
_REVOKES = changes(obj(id=TEXT), summary="Revoke a token")


@describes(
    "/people/{name}/+tokens",
    GET=does(
        "The tokens of a person, and the scopes", page_of(obj(tokens=array(TOKEN), scopes=array(_SCOPE)))
    ),
    POST=does(
        "Make a token",
        gives(extended(TOKEN, token=TEXT), 201, "Made; the token is shown this once"),
        Answer(200, "Made, for a browser", {HTML: TEXT}),
        body=fields(
            "title",
            "scopes",
            title=WORD,
            scopes={"anyOf": [TEXT, array(TEXT)]},
            days={
                "anyOf": [
                    {"type": "number", "minimum": 1, "maximum": 365},
                    {"type": "string", "pattern": "^([1-9][0-9]?)?$"},
                ],
                "description": "until it expires",
            },
        ),
    ),
)
@describes("/people/{name}/+tokens/{token_id}", POST=_REVOKES, DELETE=_REVOKES)
@takes("GET", "HEAD", "POST", "DELETE", at=_methods)
def tokens(context: Any, request: Request) -> Response:
    """``+tokens`` to list and add tokens, ``+tokens/<id>`` to revoke one."""
    return (_one_token if request.subpath else _all_tokens)(context, request)
