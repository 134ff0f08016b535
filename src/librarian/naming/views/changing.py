"""``POST`` and ``DELETE /tree/...``: forms that move, add and delete, and removal."""

from collections.abc import Callable, Mapping
from typing import Any

from pyramid.httpexceptions import HTTPBadRequest
from pyramid.renderers import render_to_response
from pyramid.request import Request
from pyramid.response import Response
from zope.component import getUtility
from zope.security.proxy import removeSecurityProxy

from librarian.library.filenames import check_filename, media_type_for
from librarian.library.interfaces import ILibraryFileAliasSet, InvalidFilename
from librarian.library.operations import Library, acting_owner
from librarian.library.service import BoundAlias
from librarian.naming.interfaces import (
    AlreadyThere,
    INamedFolder,
    INamedTree,
    NamingError,
    NoSuchFolder,
    NotRestricted,
    NotThere,
)
from librarian.naming.views.asking import MOVE, folder_above, move_values
from librarian.naming.views.description import describe_entry, describe_folder, url_of
from librarian.naming.views.listing import TEMPLATE, listing_values
from librarian.naming.views.path import TreePath, check_write, flag
from librarian.naming.writing import keeps_restricted
from librarian.store.receiving import keep_or_put
from librarian.web.errors import wants_page
from librarian.web.forms import done, fields_of, sent_files, text, whole_number
from librarian.web.requests.parts import refuse_parts
from librarian.web.requests.promises import check_part

Fields = Mapping[str, Any]


def post(context: TreePath, request: Request) -> Response:
    """Answer POST: the field that is sent says what is to be done."""
    refuse_parts(request)
    fields = fields_of(request, at_most=None)
    uploads = sent_files(request)
    stated = [name for name in CHANGES if name in fields] + ["file"] * bool(uploads)
    if not stated:
        raise HTTPBadRequest(f"Send one of the fields {', '.join(CHANGES)} and file.")
    if len(stated) > 1:
        raise HTTPBadRequest(f"Send one of the fields {', '.join(stated)}: each asks for a change.")
    if uploads:
        return _post_files(context, request, fields, uploads)
    return CHANGES[stated[0]](context, request, fields)


def _move(context: TreePath, request: Request, fields: Fields) -> Response:
    """Give the node the path `move_to`.  A browser is led to the folder it is in then."""
    target = text(fields, "move_to")
    check_write(context, request)
    try:
        moved = getUtility(INamedTree).move(context.path, target)
    except (NamingError, InvalidFilename) as error:
        if isinstance(error, NotThere) or not context.names or not wants_page(request):
            raise
        folder = folder_above(context.path)
        return _again(request, MOVE, move_values(folder, context.names[-1], target, str(error)))
    if INamedFolder.providedBy(moved):
        return done(request, url_of(moved.path), describe_folder(moved), 201)
    shown = url_of(moved.path.rpartition("/")[0]) + "/" if wants_page(request) else url_of(moved.path)
    return done(request, shown, describe_entry(moved), 201)


def _folder(context: TreePath) -> Any:
    """The INamedFolder at the path.  Raises NotThere, and NoSuchFolder for an entry."""
    found = getUtility(INamedTree)[context.path]
    if not INamedFolder.providedBy(found):
        raise NoSuchFolder(context.path)
    return found


def _make_folder(context: TreePath, request: Request, fields: Fields) -> Response:
    """Make the folder `folder`; for its owner alone if there is a field `restricted`."""
    folder, name = _folder(context), text(fields, "folder")
    try:
        made = folder.make_folder(name, restricted=bool(fields.get("restricted")))
    except (AlreadyThere, InvalidFilename) as error:
        if not wants_page(request):
            raise
        values = {**listing_values(folder, request), "_stated": name, "_folder_error": str(error)}
        return _again(request, TEMPLATE, values)
    return done(request, url_of(made.path) + "/", describe_folder(made), 201)


def _again(request: Request, template: str, values: Mapping[str, Any]) -> Response:
    """The page of a form with what was typed, and what is wrong; 409, so that nothing is committed."""
    shown = {name.removeprefix("_"): value for name, value in values.items()}
    response = render_to_response(template, shown, request)
    response.status = 409
    return response


def _remove(context: TreePath, request: Request, fields: Fields) -> Response:
    """Remove the node `delete` of this folder; a full folder with the field `recursive`."""
    folder = _folder(context)
    folder.remove(text(fields, "delete"), bool(fields.get("recursive")))
    return done(request, url_of(context.path) + "/", {"path": context.path})


def _stated_number(fields: Fields, name: str, meaning: str) -> int:
    """The field `name`, digits or a number of JSON.  Raises HTTPBadRequest, which says its `meaning`."""
    number = whole_number(fields[name])
    if number is None or not 0 <= number < 10**16:
        raise HTTPBadRequest(f"{name} is {meaning}.")
    return number


def _make_current(context: TreePath, request: Request, fields: Fields) -> Response:
    """Make the version `current` of this entry the current one."""
    version = _stated_number(fields, "current", "the number of a version")
    if check_write(context, request) is None or not context.names:
        raise NotThere(context.path)
    entry = folder_above(context.path).make_current(context.names[-1], version)
    return done(request, f"{url_of(context.path)}?history", describe_entry(removeSecurityProxy(entry)))


def _place(context: TreePath, request: Request, fields: Fields) -> Response:
    """Give the file with the id `place`, which is in the library already, its name in this folder."""
    alias_id = _stated_number(fields, "place", "the id of a file")
    folder = _folder(context)
    alias = getUtility(ILibraryFileAliasSet)[alias_id]
    name = alias.filename
    if keeps_restricted(folder, folder.get(name)) and not alias.restricted:
        raise NotRestricted(f"{context.path.rstrip('/')}/{name}")
    entry = folder.put(name, alias)
    return done(request, url_of(context.path) + "/", describe_entry(removeSecurityProxy(entry)), 201)


#: What is done, by the field that asks for it.
CHANGES: dict[str, Callable[[TreePath, Request, Fields], Response]] = {
    "move_to": _move,
    "folder": _make_folder,
    "delete": _remove,
    "current": _make_current,
    "place": _place,
}


def _post_files(context: TreePath, request: Request, fields: Fields, uploads: list[Any]) -> Response:
    """Add the files of a form, restricted ones if there is a field `restricted`."""
    folder = _folder(context)
    folder.put  # noqa: B018  # through its security proxy: refused before the bytes are stored
    added = [_post_file(folder, upload, "restricted" in fields) for upload in uploads]
    described = added[0] if len(added) == 1 else {"path": context.path, "entries": added}
    return done(request, url_of(context.path) + "/", described, 201)


def _post_file(folder: Any, upload: Any, restricted: bool) -> dict[str, Any]:
    """Add a file from a form; such a file is small enough to be stored again when the request is retried."""
    library, filename = Library(), check_filename(upload.filename)
    check_part(upload.headers.items(), upload.file)
    stored = keep_or_put(library.store, upload.file)
    hidden, mimetype = restricted or keeps_restricted(folder, folder.get(filename)), media_type_for(filename)
    record = library.add(stored, filename, mimetype, restricted=hidden, owner=acting_owner())
    return describe_entry(removeSecurityProxy(folder.put(filename, BoundAlias(record, library))))


def delete_node(context: TreePath, request: Request) -> Response:
    """Answer DELETE."""
    refuse_parts(request)
    check_write(context, request)
    getUtility(INamedTree).remove(context.path, flag(request, "recursive"))
    return Response(status=204)
