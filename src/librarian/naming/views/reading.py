"""``GET /tree/...``: a listing, a description, or the way to the file."""

from collections.abc import Callable
from typing import Any

from pyramid.httpexceptions import HTTPBadRequest, HTTPGone
from pyramid.request import Request
from pyramid.response import Response
from zope.component import getUtility
from zope.security.proxy import removeSecurityProxy

from librarian.library.views.alias import LibraryFileAliasView, file_alias_view
from librarian.library.views.files import prefers_json
from librarian.library.views.owners import owner_name
from librarian.naming.interfaces import INamedFolder, INamedTree, NotThere
from librarian.naming.views.asking import ask_removal, ask_where_to
from librarian.naming.views.description import describe_entry, describe_history, url_of
from librarian.naming.views.listing import MOST_LISTED, above, list_folder, stated_sort
from librarian.naming.views.path import TreePath, ends_in_slash, number
from librarian.naming.views.zipping import zip_folder
from librarian.web.errors import wants_page
from librarian.web.forms import page

MOST_VERSIONS = 2**53
VERSIONS = "librarian.naming:templates/versions.jinja2"

#: What a parameter asks of a folder beside its listing.
FOLDER_PAGES: dict[str, Callable[[Any, Request], Response]] = {
    "zip": zip_folder,
    "move": ask_where_to,
    "delete": ask_removal,
}


def show(context: TreePath, request: Request) -> Response:
    """Answer GET and HEAD.  Raises NotThere, NoSuchVersion."""
    _judge_query(request)
    found = getUtility(INamedTree)[context.path]
    if INamedFolder.providedBy(found):
        asked = next((name for name in FOLDER_PAGES if name in request.GET), None)
        return list_folder(found, request) if asked is None else FOLDER_PAGES[asked](found, request)
    if ends_in_slash(request):
        raise NotThere(context.path + "/")
    if "history" in request.GET:
        return _versions(found, request)
    response = _described(found) if prefers_json(request) else _file(found, request)
    response.vary = {*(response.vary or ()), "Accept"}
    return response


def _judge_query(request: Request) -> None:
    """Refuse what is wrong, whether the node has a use for it or not."""
    number(request, "limit", 1, most=MOST_LISTED)
    number(request, "version", 1, most=MOST_VERSIONS)
    stated_sort(request)
    for asked in ("move", "delete"):
        if request.GET.get(asked) == "":
            raise HTTPBadRequest(f"{asked} is the name of a node of the folder.")


def _versions(entry: Any, request: Request) -> Response:
    """The kept versions, the current one first."""
    folder = getUtility(INamedTree).folder(entry.path.rpartition("/")[0])
    values = {
        "_title": f"Versions of {entry.name}",
        "_above": above(entry.path),
        "_here": url_of(entry.path),
        "_current": entry.version,
        "_may_edit": request.has_permission("librarian.EditTree", folder),
        **describe_history(entry),
    }
    for version in values["versions"] if wants_page(request) else ():
        version["author_name"] = owner_name(version["author"])
    return page(request, VERSIONS, values)


def _described(entry: Any) -> Response:
    response = Response(json_body=describe_entry(entry))
    if entry.etag is not None:
        response.headers["ETag"] = entry.etag
    return response


def _file(entry: Any, request: Request) -> Response:
    """A redirect to a public file, a restricted one itself: the entry's permission covers the file."""
    version = number(request, "version", entry.version, most=MOST_VERSIONS)
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
