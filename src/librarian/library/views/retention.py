"""Views that keep and remove a file: ``+holds`` holds and releases it; ``+delete``, ``+undelete``."""

from typing import Any

from pyramid.httpexceptions import HTTPBadRequest
from pyramid.request import Request
from pyramid.response import Response

from librarian.library.http.description import EXPIRY, FILE, describe
from librarian.library.http.request_bodies import expires_at
from librarian.library.views.about import (
    LONGEST_REASON,
    UNTIL,
    ExpiryForm,
    HoldForm,
    about,
    about_path,
    without_proxy,
)
from librarian.web.forms import by_form, by_method, done, fields_of, text
from librarian.web.openapi.declaring import changes, describes, does, fields, gives
from librarian.web.openapi.schemas import TEXT, array, obj


def _holders(context: Any, request: Request) -> Response:
    return Response(json_body=without_proxy(context.holders()))


def _hold(context: Any, request: Request) -> Response:
    """Hold the file for the reason in the field `reason`."""

    def change(fields: Any) -> Response:
        context.hold(_reason(fields))
        return done(request, about_path(context), {"holders": without_proxy(context.holders())})

    return by_form(request, HoldForm, change, lambda form: about(context, request, hold_form=form))


def _release(context: Any, request: Request) -> Response:
    """Release the hold with the reason in the query parameter `reason`."""
    if not context.release(_reason(request.GET)):
        raise HTTPBadRequest("The file is not held for this reason.")
    return done(request, about_path(context), {"holders": without_proxy(context.holders())})


def _reason(fields: Any) -> str:
    reason = text(fields, "reason").strip()
    if not 0 < len(reason) <= LONGEST_REASON:
        raise HTTPBadRequest(f"reason is 1 to {LONGEST_REASON} characters: who needs the file, and for what.")
    return reason


_HOLDERS = obj(holders=array(TEXT))
_REASON = {"type": "string", "pattern": "\\S", "minLength": 1, "maxLength": LONGEST_REASON}

holds = describes(
    "/files/{id:int}/+holds",
    GET=does("Who needs the file", gives(array(TEXT))),
    POST=changes(_HOLDERS, fields("reason", reason=_REASON), summary="Hold the file for a reason"),
    DELETE=changes(_HOLDERS, summary="Release a hold", query={"reason": _REASON}, required=("reason",)),
)(by_method(GET=_holders, POST=_hold, DELETE=_release))


def _release_by_form(context: Any, request: Request) -> Response:
    """Release the hold with the reason in the field `reason`: a form cannot send DELETE."""
    if not context.release(_reason(fields_of(request))):
        raise HTTPBadRequest("The file is not held for this reason.")
    return done(request, about_path(context), {"holders": without_proxy(context.holders())})


release = describes(
    "/files/{id:int}/+release",
    POST=changes(_HOLDERS, fields("reason", reason=_REASON), summary="Release a hold"),
)(by_method(POST=_release_by_form))


def _expiry(context: Any, request: Request) -> Response:
    """Change how long the file stays, by the field `expires`; see expires_at().

    A form may say ``until``, and the day in a field of this name.
    """

    def change(fields: Any) -> Response:
        stated = text(fields, "expires")
        context.keepUntil(expires_at(text(fields, UNTIL) if stated == UNTIL else stated, "expires"))
        return done(request, about_path(context), describe(context))

    return by_form(request, ExpiryForm, change, lambda form: about(context, request, expiry_form=form))


expiry = describes(
    "/files/{id:int}/+expiry",
    POST=changes(FILE, fields("expires", expires=EXPIRY), summary="Change how long the file stays"),
)(by_method(POST=_expiry))


def _delete(context: Any, request: Request) -> Response:
    context.delete()
    return done(request, about_path(context), describe(context))


def _undelete(context: Any, request: Request) -> Response:
    context.undelete()
    return done(request, about_path(context), describe(context))


delete = describes("/files/{id:int}/+delete", POST=changes(FILE, summary="Delete the file"))(
    by_method(POST=_delete)
)
undelete = describes("/files/{id:int}/+undelete", POST=changes(FILE, summary="Bring a deleted file back"))(
    by_method(POST=_undelete)
)
