"""Pages and JSON for people who look after files: what is known of one, links to it, adding one."""

import re
from datetime import timedelta
from typing import Any

from pyramid.httpexceptions import HTTPBadRequest
from pyramid.renderers import render_to_response
from pyramid.request import Request
from pyramid.response import Response
from zope.component import getUtility
from zope.security.proxy import removeSecurityProxy

from librarian.library.filenames import media_type_for
from librarian.library.http.description import describe
from librarian.library.interfaces import ILibraryFileAliasSet
from librarian.quantities import parse_duration
from librarian.web.errors import wants_page
from librarian.web.forms import SeeOther, by_method, done, page, sent, sent_file, text
from librarian.web.requests.promises import check_part

ABOUT = "librarian.library:templates/about.jinja2"
UPLOAD = "librarian.library:templates/upload.jinja2"
_USES = re.compile("[1-9][0-9]{0,8}")  # more than anybody counts


def _path(alias: Any, view: str = "+about") -> str:
    return f"/files/{alias.id}/{view}"


def _bare(facts: Any) -> Any:
    """Plain facts that a checked call has given us, without the proxy, which JSON does not know."""
    return removeSecurityProxy(facts)


def _about_values(alias: Any, request: Request) -> dict[str, Any]:
    may_edit = request.has_permission("librarian.Edit", alias)
    values = {
        "_title": alias.filename,
        "_path": f"/files/{alias.id}",
        "_may_edit": may_edit,
        **describe(alias),
    }
    if may_edit:
        values |= {"tokens": _bare(alias.tokens()), "holders": _bare(alias.holders())}
    return values


def about(context: Any, request: Request) -> Response:
    """``/files/<id>/+about``: everything that is known of a file, and forms for whoever may change it."""
    return page(request, ABOUT, _about_values(context, request))


def _list_tokens(context: Any, request: Request) -> Response:
    return Response(json_body=_bare(context.tokens()))


def _make_link(context: Any, request: Request) -> Response:
    """A link with a fresh token; `lifetime` as 15m or 24h, `uses` a number, both optional.

    The link is in this answer and nowhere else.
    """
    fields = sent(request)
    if not context.restricted:
        raise HTTPBadRequest("This file is public; its URL needs no token.")
    context.tokens()  # whoever may make a link may see and revoke it: the same permission guards both
    link = context.getURL(include_token=True, lifetime=_lifetime(fields), max_uses=_uses(fields))
    if not wants_page(request):
        return Response(json_body={"url": link}, status=201)
    request.tm.begin()  # the token was committed apart; look again, to show it in the list
    values = {name.removeprefix("_"): value for name, value in _about_values(context, request).items()}
    return render_to_response(ABOUT, {**values, "link": link}, request)


def _lifetime(fields: Any) -> timedelta | None:
    if "lifetime" not in fields:
        return None
    try:
        return parse_duration(text(fields, "lifetime"))
    except ValueError as error:
        raise HTTPBadRequest(str(error)) from None


def _uses(fields: Any) -> int | None:
    if "uses" not in fields or fields["uses"] == "":  # a browser sends a field that was left empty
        return None
    stated = fields["uses"]
    digits = str(stated) if type(stated) is int else stated
    if not (isinstance(digits, str) and _USES.fullmatch(digits)):
        raise HTTPBadRequest("uses is a whole number from 1 to 999999999.")
    return int(digits)


tokens = by_method(GET=_list_tokens, POST=_make_link)


def _revoke(context: Any, request: Request) -> Response:
    """Make the token with the id in `id` worthless."""
    context.revokeToken(text(sent(request), "id"))
    return done(request, _path(context), {"revoked": True})


revoke = by_method(POST=_revoke)


def _holders(context: Any, request: Request) -> Response:
    return Response(json_body=_bare(context.holders()))


def _hold(context: Any, request: Request) -> Response:
    """Keep the file for the reason in `as`."""
    context.hold(_reason(sent(request)))
    return done(request, _path(context), {"holders": _bare(context.holders())})


def _release(context: Any, request: Request) -> Response:
    """Let go of what was held for the reason in the query's `as`."""
    if not context.release(_reason(request.GET)):
        raise HTTPBadRequest("It is not held for this reason.")
    return done(request, _path(context), {"holders": _bare(context.holders())})


def _reason(fields: Any) -> str:
    reason = text(fields, "as").strip()
    if not 0 < len(reason) <= 200:  # a few words
        raise HTTPBadRequest("as is a few words on who holds the file and for what.")
    return reason


holds = by_method(GET=_holders, POST=_hold, DELETE=_release)


def _delete(context: Any, request: Request) -> Response:
    context.delete()
    return done(request, _path(context), describe(context))


def _undelete(context: Any, request: Request) -> Response:
    context.undelete()
    return done(request, _path(context), describe(context))


delete = by_method(POST=_delete)
undelete = by_method(POST=_undelete)


def _upload_form(context: Any, request: Request) -> Response:
    aliases = getUtility(ILibraryFileAliasSet)
    if not request.has_permission("librarian.Upload", aliases):
        aliases.create  # noqa: B018  # raises Unauthorized, as create() would
    return render_to_response(UPLOAD, {"title": "Add a file"}, request)


def _upload(context: Any, request: Request) -> Response:
    """A file from a form: ``file``, and ``restricted`` if it is not for everybody."""
    field = sent_file(request)
    if field is None:
        raise HTTPBadRequest("Choose a file to add.")
    size = field.file.seek(0, 2)
    check_part(field.headers.items(), field.file)
    filename = field.filename.rpartition("/")[2].rpartition("\\")[2]  # old browsers send the path
    mimetype = (
        field.type if field.type and field.type != "application/octet-stream" else media_type_for(filename)
    )
    alias = getUtility(ILibraryFileAliasSet).create(
        filename, size, field.file, mimetype, restricted=request.POST.get("restricted") not in (None, "")
    )
    if wants_page(request):
        return SeeOther(_path(alias))
    return Response(json_body=describe(removeSecurityProxy(alias)), status=201)


upload = by_method(GET=_upload_form, POST=_upload)
