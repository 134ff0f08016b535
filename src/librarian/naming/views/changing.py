"""``POST`` and ``DELETE /tree/...``: forms that move, add and delete, and removal."""

from typing import Any

from pyramid.httpexceptions import HTTPBadRequest
from pyramid.request import Request
from pyramid.response import Response
from zope.component import getUtility
from zope.security.proxy import removeSecurityProxy

from librarian.library.filenames import check_filename, media_type_for
from librarian.library.operations import Library, acting_owner
from librarian.library.service import BoundAlias
from librarian.naming.interfaces import INamedFolder, INamedTree
from librarian.naming.views.description import describe_entry, describe_folder, url_of
from librarian.naming.views.path import TreePath, check_write, flag
from librarian.naming.writing import keeps_restricted
from librarian.store.receiving import keep_or_put
from librarian.web.forms import done, fields_of, sent_file, text
from librarian.web.requests.parts import refuse_parts
from librarian.web.requests.promises import check_part


def post(context: TreePath, request: Request) -> Response:
    """Answer POST: the field that is sent says what is to be done."""
    refuse_parts(request)
    fields = fields_of(request, at_most=None)
    if "move_to" in fields:
        return _move(context, request, text(fields, "move_to"))
    if "folder" in fields:
        made = getUtility(INamedTree)[context.path].make_folder(text(fields, "folder"))
        return done(request, url_of(made.path) + "/", describe_folder(made), 201)
    if "delete" in fields:
        getUtility(INamedTree)[context.path].remove(text(fields, "delete"))
        return done(request, url_of(context.path) + "/", {"path": context.path})
    upload = sent_file(request)
    if upload is not None:
        return _post_file(context, request, upload)
    raise HTTPBadRequest("Send one of the fields move_to, folder, delete and file.")


def _move(context: TreePath, request: Request, target: str) -> Response:
    check_write(context, request)
    moved = getUtility(INamedTree).move(context.path, target)
    described = describe_folder(moved) if INamedFolder.providedBy(moved) else describe_entry(moved)
    return done(request, url_of(moved.path), described, 201)


def _post_file(context: TreePath, request: Request, upload: Any) -> Response:
    """Add a file from a form; such a file is small enough to be stored again when the request is retried."""
    library, folder = Library(), getUtility(INamedTree)[context.path]
    filename = check_filename(upload.filename)
    folder.put  # noqa: B018  # through its security proxy: refused before the bytes are stored
    check_part(upload.headers.items(), upload.file)
    stored = keep_or_put(library.store, upload.file)
    restricted, mimetype = keeps_restricted(folder, folder.get(filename)), media_type_for(filename)
    record = library.add(stored, filename, mimetype, restricted=restricted, owner=acting_owner())
    entry = folder.put(filename, BoundAlias(record, library))
    return done(request, url_of(context.path) + "/", describe_entry(removeSecurityProxy(entry)), 201)


def delete_node(context: TreePath, request: Request) -> Response:
    """Answer DELETE."""
    refuse_parts(request)
    check_write(context, request)
    getUtility(INamedTree).remove(context.path, flag(request, "recursive"))
    return Response(status=204)
