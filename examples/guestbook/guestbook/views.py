"""Three views.  What they do with the library is done in the request's transaction."""

from datetime import timedelta
from typing import Any

from pyramid.httpexceptions import HTTPBadRequest, HTTPForbidden, HTTPNotFound, HTTPSeeOther
from pyramid.request import Request
from pyramid.response import Response
from pyramid.security import remember
from pyramid.view import view_config

from librarian.library.interfaces import UploadFailed
from librarian.quantities import parse_duration
from librarian.security.interaction import acting_as
from librarian.security.principals import SYSTEM

FORM = """
<form method="post" enctype="multipart/form-data">
  <input type="file" name="picture"><button>Add</button>
</form>
"""
LOGIN = '<form method="post" action="/login"><input name="name"><button>Come in</button></form>'
LONGEST = timedelta(days=7)


@view_config(route_name="login", request_method="POST")
def login(request: Request) -> Response:
    """A real application asks for a password."""
    return HTTPSeeOther("/", headers=remember(request, request.POST["name"]))


@view_config(route_name="entries", request_method="POST", renderer="json")
def add(request: Request) -> dict[str, Any]:
    """Keep a picture as a restricted file."""
    if request.authenticated_userid is None:
        raise HTTPForbidden("say who you are first")
    sent = request.POST.get("picture")
    if sent is None or isinstance(sent, str):
        raise HTTPBadRequest("the field picture is a file")
    size = sent.file.seek(0, 2)
    sent.file.seek(0)
    library = request.library
    with acting_as(SYSTEM):  # guests are no persons of the library; that they may add is the guestbook's rule
        try:
            alias = library.create(sent.filename, size, sent.file, sent.type, restricted=True)
        except UploadFailed as error:
            raise HTTPBadRequest(str(error)) from error
    request.response.status_int = 201
    return {"id": alias.id}


@view_config(route_name="link", request_method="POST", renderer="json")
def link(request: Request) -> dict[str, str]:
    """A link to a picture, good for as long as the field `lifetime` says.

    Who may have one is the guestbook's own rule, so the link is made by the system and not by the guest.
    """
    if request.authenticated_userid is None:
        raise HTTPForbidden("say who you are first")
    try:
        lifetime = min(parse_duration(request.POST.get("lifetime", "1h")), LONGEST)
    except ValueError as error:
        raise HTTPBadRequest(str(error)) from error
    library = request.library
    with acting_as(SYSTEM):
        try:
            alias = library[int(request.matchdict["id"])]
        except LookupError:
            raise HTTPNotFound from None
        return {"url": alias.getURL(include_token=True, lifetime=lifetime)}


@view_config(route_name="entries", request_method="GET")
def entries(request: Request) -> Response:
    """The form."""
    name = request.authenticated_userid
    shown = FORM if name else LOGIN
    return Response(f"<!doctype html><title>Guestbook</title>{shown}<a href='/lib/'>Library</a>")
