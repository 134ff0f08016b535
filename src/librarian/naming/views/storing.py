"""``PUT /tree/...``: the body becomes a file, or a folder is made."""

from datetime import datetime
from typing import Any

from pyramid.request import Request
from pyramid.response import Response
from zope.component import getUtility
from zope.security.proxy import removeSecurityProxy

from librarian.library.filenames import check_filename
from librarian.library.generations import store_and_name
from librarian.library.http.request_bodies import check_coding, stated_expires, stated_mimetype, store_body
from librarian.library.operations import Library, acting_owner
from librarian.library.service import BoundAlias
from librarian.library.uploads.views import draft
from librarian.library.uploads.views.common import Place, target_of
from librarian.naming.interfaces import AlreadyThere, INamedFolder, INamedTree
from librarian.naming.views.description import describe_entry, describe_folder, url_of
from librarian.naming.views.path import TreePath, check_write, ends_in_slash, flag
from librarian.naming.writing import existing, keeps_restricted
from librarian.store.interfaces import StoredBytes
from librarian.web.requests.methods import judged_by
from librarian.web.requests.parts import refuse_parts


def judge_put(context: TreePath, request: Request) -> None:
    """Refuse a PUT by its head.  Raises what put() raises."""
    if context.names and not ends_in_slash(request):
        _stated(context, request)


@judged_by(judge_put)
def put(context: TreePath, request: Request) -> Response:
    """Answer PUT: 201 where the path is new, else 200."""
    is_file = context.names and not ends_in_slash(request)
    if is_file and "Upload-Complete" in request.headers:
        return draft.created(Place(context), request, lambda length: _stated_in_pieces(context, request))
    refuse_parts(request)
    return _put_file(context, request) if is_file else _put_folder(context, request)


def _stated(context: TreePath, request: Request) -> tuple[str, str, datetime | None, bool, bool]:
    """Name, media type and expiry of a file, whether it is restricted, and whether folders are made."""
    filename = check_filename(context.names[-1])
    check_write(context, request)
    check_coding(request)
    mimetype, expires = stated_mimetype(request, filename), stated_expires(request)
    Library().quotas.require(acting_owner(), request.content_length)
    return filename, mimetype, expires, flag(request, "restricted"), flag(request, "parents")


def _stated_in_pieces(context: TreePath, request: Request) -> dict[str, Any]:
    """The facts of an upload that begins here."""
    filename, mimetype, expires, restricted, make = _stated(context, request)
    target = target_of(request, context.path, parents=make)
    facts = {"filename": filename, "mimetype": mimetype, "expires": expires, "restricted": restricted}
    return {**facts, "target": target, "owner": acting_owner()}


def _put_file(context: TreePath, request: Request) -> Response:
    filename, mimetype, expires, restricted, make = _stated(context, request)  # before the body is read
    library = Library()

    def add_to_tree(stored: StoredBytes) -> tuple[dict[str, Any], bool]:
        folder = getUtility(INamedTree).folder(context.folder_path, make)
        replaced = check_write(context, request)
        hidden = restricted or keeps_restricted(folder, replaced)
        owner = acting_owner()
        record = library.add(stored, filename, mimetype, expires=expires, restricted=hidden, owner=owner)
        entry = folder.put(filename, BoundAlias(record, library))
        return describe_entry(removeSecurityProxy(entry)), replaced is None

    described, is_new = store_and_name(library.tree.run, lambda: store_body(library, request), add_to_tree)
    response = _stored(described, is_new, url_of(context.path))
    response.headers["ETag"] = described["etag"]
    return response


def _stored(described: dict[str, Any], is_new: bool, url: str) -> Response:
    response = Response(json_body=described, status=201 if is_new else 200)
    response.location = url
    return response


def _put_folder(context: TreePath, request: Request) -> Response:
    restricted, make = flag(request, "restricted"), flag(request, "parents")

    def make_folder() -> tuple[dict[str, Any], bool]:
        tree, found = getUtility(INamedTree), existing(context.path)
        if found is not None:
            return describe_folder(_changeable_folder(context, found)), False
        tree.folder(context.folder_path, make)
        return describe_folder(tree.make_folder(context.path, restricted)), True

    described, is_new = Library().tree.run(make_folder)
    return _stored(described, is_new, url_of(context.path) + "/")


def _changeable_folder(context: TreePath, found: Any) -> Any:
    """`found`, a folder that the principal may change.  Raises AlreadyThere for an entry, Unauthorized."""
    if not INamedFolder.providedBy(found):
        raise AlreadyThere(context.path)
    found.put  # noqa: B018  # through its security proxy: "done" is not the answer without permission
    return found
