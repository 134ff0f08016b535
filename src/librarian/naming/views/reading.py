"""``GET /tree/...``: a listing, a description, or the way to the file."""

from typing import Any
from urllib.parse import urlencode

from pyramid.httpexceptions import HTTPGone
from pyramid.request import Request
from pyramid.response import Response
from zope.component import getUtility
from zope.security.proxy import removeSecurityProxy

from librarian.library.views.alias import LibraryFileAliasView, file_alias_view
from librarian.library.views.files import prefers_json
from librarian.naming.interfaces import INamedFolder, INamedTree, NotThere
from librarian.naming.views.description import (
    describe_entry,
    describe_folder,
    describe_history,
    describe_line,
    url_of,
)
from librarian.naming.views.path import TreePath, ends_in_slash, number
from librarian.web.forms import page

LISTED = 100  # folders and entries on a page
MOST_LISTED = 1000


def show(context: TreePath, request: Request) -> Response:
    """Answer GET and HEAD.  Raises NotThere, NoSuchVersion."""
    found = getUtility(INamedTree)[context.path]
    if INamedFolder.providedBy(found):
        return _list(found, request)
    if ends_in_slash(request):
        raise NotThere(context.path + "/")
    if "history" in request.GET:
        return Response(json_body=describe_history(found))
    response = _described(found) if prefers_json(request) else _file(found, request)
    response.vary = {*(response.vary or ()), "Accept"}
    return response


def _described(entry: Any) -> Response:
    response = Response(json_body=describe_entry(entry))
    if entry.etag is not None:
        response.headers["ETag"] = entry.etag
    return response


def _file(entry: Any, request: Request) -> Response:
    """A redirect to a public file, a restricted one itself: the entry's permission covers the file."""
    version = number(request, "version", entry.version, most=2**53)
    alias = removeSecurityProxy(entry.alias(version))
    if alias.deleted:
        raise HTTPGone("File deleted.")
    if alias.restricted:
        view, _names = file_alias_view(alias, request).browserDefault(request)
        response: Response = view()
    else:
        response = LibraryFileAliasView(alias, request)()
    response.headers["ETag"] = f'"{alias.content.sha256}"'
    return response


def _list(folder: Any, request: Request) -> Response:
    """One page of a folder's listing."""
    start, limit = request.GET.get("start", ""), number(request, "limit", LISTED, most=MOST_LISTED)
    found = list(folder.listing(start, limit + 1))
    following = _next(folder, found[limit].name, limit) if len(found) > limit else None
    listed = [describe_line(each) for each in found[:limit]]
    values = {
        "_title": folder.path,
        "_above": _above(folder.path),
        "_here": url_of(folder.path),
        "_may_edit": request.has_permission("librarian.EditTree", folder),
        **describe_folder(folder),
        "entries": listed,
        "next": following,
    }
    response = page(request, "librarian.naming:templates/folder.jinja2", values)
    if following is not None:
        response.headers["Link"] = f'<{following}>; rel="next"'  # RFC 8288, section 3
    return response


def _next(folder: Any, start: str, limit: int) -> str:
    return f"{url_of(folder.path)}/?{urlencode({'start': start, 'limit': limit})}"


def _above(path: str) -> list[tuple[str, str]]:
    """Name and URL of each folder above `path`, the root first."""
    names = [name for name in path.split("/") if name]
    paths = ["/" + "/".join(names[:end]) for end in range(len(names))]
    return [(each.rpartition("/")[2] or "tree", url_of(each)) for each in paths]
