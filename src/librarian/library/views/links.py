"""Links to restricted files: ``+tokens`` lists and makes their tokens, ``+revoke`` revokes one."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from pyramid.httpexceptions import HTTPBadRequest
from pyramid.renderers import render_to_response
from pyramid.request import Request
from pyramid.response import Response
from zope.component import getUtility

from librarian.interfaces import IClock
from librarian.library.http.request_bodies import end_of
from librarian.library.tokens.description import TOKEN
from librarian.library.views.about import (
    TEMPLATE,
    UNTIL,
    LinkForm,
    about_path,
    about_values,
    without_proxy,
)
from librarian.quantities import parse_duration
from librarian.web.errors import wants_page
from librarian.web.forms import PageForm, by_form, by_method, done, fields_of, text, whole_number
from librarian.web.openapi.declaring import HTML, Answer, changes, describes, does, fields, gives
from librarian.web.openapi.schemas import FLAG, MOMENT, TEXT, URL, WORD, array, obj, told

MOST_USES = 999_999_999
LIFETIME = told({"type": "string", "pattern": "^[1-9][0-9]?[mh]$"}, "such as 15m or 24h; or in days, 7d")
USES = told(
    {
        "anyOf": [
            {"type": "integer", "minimum": 1, "maximum": MOST_USES},
            {"type": "string", "pattern": "^([1-9][0-9]{0,8})?$"},
        ]
    },
    "how many downloads; empty: any number",
)


def _list_tokens(context: Any, request: Request) -> Response:
    return Response(json_body=without_proxy(context.tokens()))


def _make_link(context: Any, request: Request) -> Response:
    """A link with a fresh token; fields `lifetime`, as 15m or 24h, or `until`, a time or the last day, and
    `uses`, a number, all optional.

    201 with the link, which no later response shows; a browser gets the about page with the link in it.
    """

    def change(fields: Mapping[str, Any]) -> Response:
        if not context.restricted:
            raise HTTPBadRequest("This file is public; its URL needs no token.")
        context.tokens()  # raises Unauthorized: only those who may see and revoke tokens may make one
        link = context.getURL(include_token=True, lifetime=_lifetime(fields), max_uses=_uses(fields))
        if not wants_page(request):
            return Response(json_body={"url": link}, status=201)
        request.tm.begin()  # the token was committed independently; see it in the list
        return _page(context, request, link=link)

    return by_form(request, LinkForm, change, lambda form: _page(context, request, form))


def _page(context: Any, request: Request, form: PageForm | None = None, **more: Any) -> Response:
    forms = {} if form is None else {"link_form": form}
    values = {
        name.removeprefix("_"): value for name, value in about_values(context, request, **forms).items()
    }
    return render_to_response(TEMPLATE, {**values, **more}, request)


def _lifetime(fields: Mapping[str, Any]) -> timedelta | None:
    until = _until(fields) if fields.get("until", "") != "" else None
    if fields.get("lifetime", UNTIL) == UNTIL:
        return until
    if until is not None:
        raise HTTPBadRequest("A link works for a time, or until a day: send one of lifetime and until.")
    try:
        return parse_duration(text(fields, "lifetime"))
    except ValueError as error:
        raise HTTPBadRequest(str(error)) from None


def _until(fields: Mapping[str, Any]) -> timedelta:
    """How long it is until a time (RFC 3339), or until the end of a day in UTC."""
    stated = text(fields, "until").strip()
    try:
        return end_of(stated) - getUtility(IClock).now()
    except (ValueError, TypeError, OverflowError):
        raise HTTPBadRequest("until is a time (RFC 3339), or a day as 2026-11-22.") from None


def _uses(fields: Mapping[str, Any]) -> int | None:
    if "uses" not in fields or fields["uses"] == "":  # a browser sends a field that was left empty
        return None
    uses = whole_number(fields["uses"])
    if uses is None or not 1 <= uses <= MOST_USES:
        raise HTTPBadRequest(f"uses is a whole number from 1 to {MOST_USES}.")
    return uses


tokens = describes(
    "/files/{id:int}/+tokens",
    GET=does("The tokens of a restricted file", gives(array(TOKEN))),
    POST=does(
        "A link with a new token, which no later answer shows",
        gives(obj(url=URL), 201, "Made"),
        Answer(200, "Made, for a browser", {HTML: TEXT}),
        body=fields(
            lifetime=told({"type": "string", "pattern": "^[1-9][0-9]?[mh]$"}, "such as 15m or 24h; or 7d"),
            until=told(MOMENT, "a time (RFC 3339), or a day, whose end in UTC is meant"),
            uses=USES,
        ),
    ),
)(by_method(GET=_list_tokens, POST=_make_link))


def _revoke(context: Any, request: Request) -> Response:
    """Revoke the token whose id is in the field `id`."""
    context.revokeToken(text(fields_of(request), "id"))
    return done(request, about_path(context), {"revoked": True})


revoke = describes(
    "/files/{id:int}/+revoke",
    POST=changes(obj(revoked=FLAG), fields("id", id=WORD), summary="Revoke a token"),
)(by_method(POST=_revoke))
