"""``/webhooks``: the webhooks of who asks, what was sent to them and what was answered."""

from collections.abc import Mapping
from functools import partial
from typing import Any, ClassVar

from pyramid.httpexceptions import HTTPBadRequest
from pyramid.request import Request
from pyramid.response import Response
from wtforms import SelectChoice
from wtforms.fields import BooleanField, URLField
from wtforms.validators import DataRequired, Length
from zope.component import getUtilitiesFor, getUtility
from zope.interface import implementer

from librarian.events.interfaces import InvalidWebhook, IWebhookSet, NoSuchWebhook
from librarian.interfaces import IEventKind
from librarian.web.errors import wants_page
from librarian.web.forms import Boxes, PageForm, by_form, by_method, checked, done, fields_of, page, text
from librarian.web.interfaces import IAppSection
from librarian.web.openapi.declaring import (
    HTML,
    JSON,
    Answer,
    changes,
    describes,
    does,
    fields,
    gives,
    only,
    page_of,
)
from librarian.web.openapi.schemas import (
    CHECKBOX,
    COUNT,
    FLAG,
    TEXT,
    TIME,
    URL,
    WORD,
    array,
    extended,
    mapping,
    nullable,
    obj,
)
from librarian.web.requests.mounting import local_path

_KNOWN = {"url", "kinds", "everything", "csrf_token"}
LIST, ONE = "librarian.events:templates/webhooks.jinja2", "librarian.events:templates/webhook.jinja2"


class Webhooks:
    """``/webhooks``: holds the webhooks by id."""

    __name__ = "webhooks"

    def __init__(self, parent: Any) -> None:
        self.__parent__ = parent

    def __getitem__(self, segment: str) -> Any:
        try:
            return getUtility(IWebhookSet)[segment]
        except NoSuchWebhook:
            raise KeyError(segment) from None


@implementer(IAppSection)
class WebhookSection:
    """The link to the webhooks."""

    title = "Webhooks"
    description = "Programs elsewhere that are told what happens to your files."

    def root(self, parent: Any, request: Request) -> Webhooks:
        return Webhooks(parent)


webhook_section = WebhookSection()


def _describe(webhook: Any) -> dict[str, Any]:
    return {
        "id": webhook.id,
        "url": webhook.url,
        "kinds": list(webhook.kinds),
        "everything": webhook.everything,
        "owner": webhook.owner,
        "created": webhook.created.isoformat(timespec="seconds"),
    }


def _path(webhook_id: str) -> str:
    return local_path(f"/webhooks/{webhook_id}")


def _known_kinds() -> dict[str, str]:
    """What each kind of event says, in one line, by name."""
    return {name: " ".join(kind.__doc__.split()) for name, kind in sorted(getUtilitiesFor(IEventKind))}


class HookForm(PageForm):
    """A new webhook."""

    blames: ClassVar = {InvalidWebhook: ""}

    url = URLField("URL", [DataRequired("A URL is needed."), Length(max=2000)])
    kinds = Boxes("What is told (nothing chosen: all)")
    everything = BooleanField("Everything, not only my files (administrators)", false_values=("", "no"))

    def __init__(self, fields: Any = None) -> None:
        super().__init__(fields)
        self.kinds.choices = [SelectChoice(name, f"{text} ({name})") for name, text in _known_kinds().items()]


def _list(
    context: Webhooks, request: Request, secret: str | None = None, form: PageForm | None = None
) -> Response:
    values = {
        "_title": "Webhooks",
        "_secret": secret,
        "webhooks": [_describe(webhook) for webhook in getUtility(IWebhookSet)],
        "kinds": _known_kinds(),
        "_form": form or HookForm(),
    }
    return page(request, LIST, values)


def _add(context: Webhooks, request: Request) -> Response:
    """Fields `url`, `kinds` (a list, or with spaces between) and `everything`, for administrators."""
    again = partial(_list, context, request, None)
    return by_form(request, HookForm, partial(_make, context, request), again, lists={"kinds": " "})


def _make(context: Webhooks, request: Request, fields: Mapping[str, Any]) -> Response:
    if unknown := sorted(set(fields) - _KNOWN):
        raise HTTPBadRequest(f"{unknown[0]} is no field of a webhook.")
    webhooks = getUtility(IWebhookSet)
    make = webhooks.newForEverything if checked(fields, "everything") else webhooks.new
    new = make(text(fields, "url"), _kinds(fields))
    if wants_page(request):
        return _list(context, request, new.secret)
    body = {"id": new.id, "secret": new.secret}
    return Response(json_body=body, status=201, location=_path(new.id))


def _kinds(fields: Mapping[str, Any]) -> list[str]:
    """Those of a list, or the words of a text; a form may have several fields."""
    found = fields.get("kinds", "")
    if not isinstance(found, list):
        return text(fields, "kinds", "").split()
    if not all(isinstance(kind, str) for kind in found):
        raise HTTPBadRequest("kinds must be a list of strings.")
    return found


_WEBHOOK = obj(id=TEXT, url=TEXT, kinds=array(TEXT), everything=FLAG, owner=nullable(TEXT), created=TIME)
_DELIVERY = obj(
    id=TEXT,
    type=TEXT,
    subject=nullable(TEXT),
    time=TIME,
    state=TEXT,
    attempts=COUNT,
    next=nullable(TIME),
    delivered=nullable(TIME),
    status=nullable(COUNT),
    answer=nullable(TEXT),
)
_SECRET = obj(id=TEXT, secret=TEXT)

webhooks_page = describes(
    "/webhooks",
    GET=does(
        "One's webhooks, and the kinds of events", page_of(obj(webhooks=array(_WEBHOOK), kinds=mapping(TEXT)))
    ),
    POST=does(
        "Have a program told of events",
        gives(_SECRET, 201, "Made; the secret is shown this once", "Location"),
        Answer(200, "Made, for a browser", {HTML: TEXT}),
        body=only(
            fields(
                "url",
                url=URL,
                kinds={"anyOf": [TEXT, array(TEXT)], "description": "of events; none: all of them"},
                everything=CHECKBOX,
            )
        ),
    ),
)(by_method(GET=_list, POST=_add))


def _show(context: Any, request: Request, secret: str | None = None) -> Response:
    values = {
        "_title": "Webhook",
        "_secret": secret,
        **_describe(context),
        "deliveries": [dict(delivery) for delivery in context.deliveries()],
    }
    return page(request, ONE, values)


def _remove(context: Any, request: Request) -> Response:
    webhook_id = context.id
    context.remove()
    return done(request, local_path("/webhooks"), {"id": webhook_id, "removed": True})


_REMOVES = changes(obj(id=TEXT, removed=FLAG), summary="Forget the webhook and what waits for it")

webhook_page = describes(
    "/webhooks/{webhook_id}",
    GET=does("A webhook and what was sent to it", page_of(extended(_WEBHOOK, deliveries=array(_DELIVERY)))),
    DELETE=_REMOVES,
)(by_method(GET=_show, DELETE=_remove))
removal = describes("/webhooks/{webhook_id}/+remove", POST=_REMOVES)(by_method(POST=_remove))


def _rotate(context: Any, request: Request) -> Response:
    secret = context.rotate()
    if wants_page(request):
        return _show(context, request, secret)
    return Response(json_body={"id": context.id, "secret": secret})


rotation = describes(
    "/webhooks/{webhook_id}/+rotate",
    POST=does("Make a new secret", Answer(200, "The secret, shown this once", {JSON: _SECRET, HTML: TEXT})),
)(by_method(POST=_rotate))


def _resend(context: Any, request: Request) -> Response:
    event_id = text(fields_of(request), "id")
    context.resend(event_id)
    return done(request, _path(context.id), {"id": event_id})


resending = describes(
    "/webhooks/{webhook_id}/+resend",
    POST=changes(obj(id=TEXT), fields("id", id=WORD), summary="Send an event again"),
)(by_method(POST=_resend))
