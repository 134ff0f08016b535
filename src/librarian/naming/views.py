"""``/tree/...``: the named tree over HTTP.

====================  ==========================================================================
GET entry             leads to the file; ``?version=N`` to an old one, ``?history`` lists them;
                      with ``Accept: application/json`` what is known of it
GET folder            what is in it, as JSON or as a page, ``?start=&limit=``
PUT entry             the body is the file: 201 new, 200 replaced; ``?parents=true`` makes folders
PUT folder/           with a slash at its end: makes a folder; ``?restricted=true``
POST                  ``move_to=/path``: another path for it
DELETE                an entry, an empty folder, any folder with ``?recursive=true``
====================  ==========================================================================

PUT, POST and DELETE of entries heed If-Match and If-None-Match.  The entity tag of an entry is that
of its file.
"""

from typing import Any
from urllib.parse import urlencode

from pyramid.httpexceptions import HTTPBadRequest, HTTPGone
from pyramid.request import Request
from pyramid.response import Response
from zope.component import getUtility
from zope.interface import implementer
from zope.security.proxy import removeSecurityProxy

from librarian.library.aliases import LibraryFileAlias
from librarian.library.filenames import check_filename, media_type_for
from librarian.library.http.bodies import stated_expires, stated_mimetype, store_body
from librarian.library.http.streaming import LibraryFileAliasView, file_alias_view
from librarian.library.service import Library, acting_owner
from librarian.library.views import prefers_json
from librarian.naming.description import (
    describe_entry,
    describe_folder,
    describe_history,
    describe_line,
    url_of,
)
from librarian.naming.interfaces import AlreadyThere, ConditionFailed, INamedFolder, INamedTree, NotThere
from librarian.settings import as_bool
from librarian.web.files.conditions import refuses_write
from librarian.web.files.delivery import request_headers
from librarian.web.forms import by_method, done, page, sent, sent_file, text
from librarian.web.requests.promises import check_part
from librarian.web.views import IAppSection, ITakesFiles

LISTED = 100  # things on a page
MOST_LISTED = 1000


class TreePlace:
    """A path below ``/tree``, whether or not there is anything."""

    def __init__(self, names: tuple[str, ...] = ()) -> None:
        self.names = names

    def __getitem__(self, name: str) -> "TreePlace":
        return TreePlace((*self.names, name))

    @property
    def path(self) -> str:
        return "/" + "/".join(self.names)

    @property
    def folder_path(self) -> str:
        return "/" + "/".join(self.names[:-1])


@implementer(IAppSection, ITakesFiles)
class TreeSection:
    """The link to the named tree."""

    title = "Tree"
    description = "Files under names of their own, in folders."

    def root(self, parent: Any, request: Request) -> TreePlace:
        return TreePlace()


section = TreeSection()


def _show(context: TreePlace, request: Request) -> Response:
    found = getUtility(INamedTree)[context.path]
    if INamedFolder.providedBy(found):
        return _list(found, request)
    if _ends_in_slash(request):
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
    """To the download, for everybody or with a token; whoever may see the entry may have the file."""
    number = _number(request, "version", entry.version, most=2**53)
    alias = removeSecurityProxy(entry.alias(number))
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
    """A page of what is in a folder."""
    start, limit = request.GET.get("start", ""), _number(request, "limit", LISTED, most=MOST_LISTED)
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
        response.headers["Link"] = f'<{following}>; rel="next"'  # RFC 8288
    return response


def _next(folder: Any, start: str, limit: int) -> str:
    return f"{url_of(folder.path)}/?{urlencode({'start': start, 'limit': limit})}"


def _above(path: str) -> list[tuple[str, str]]:
    """Name and URL of each folder above `path`, the root first."""
    names = [name for name in path.split("/") if name]
    paths = ["/" + "/".join(names[:number]) for number in range(len(names))]
    return [(each.rpartition("/")[2] or "tree", url_of(each)) for each in paths]


def _put(context: TreePlace, request: Request) -> Response:
    if _ends_in_slash(request) or not context.names:
        return _put_folder(context, request)
    library, filename = Library(), check_filename(context.names[-1])
    _check_write(context, request)
    mimetype, expires = stated_mimetype(request, filename), stated_expires(request)
    stated_restricted, make = _flag(request, "restricted"), _flag(request, "parents")
    stored = store_body(library, request)

    def name_it() -> tuple[dict[str, Any], bool]:
        folder = getUtility(INamedTree).folder(context.folder_path, make)
        there = _check_write(context, request)
        # A restricted file is not replaced by a public one because somebody forgot to say so.
        restricted = stated_restricted or folder.restricted or (there is not None and there.restricted)
        record = library.add(
            stored, filename, mimetype, expires=expires, restricted=restricted, owner=acting_owner()
        )
        entry = folder.put(filename, LibraryFileAlias(library, record))
        return describe_entry(removeSecurityProxy(entry)), there is None

    described, is_new = library.tree.run(name_it)
    response = Response(json_body=described, status=201 if is_new else 200)
    response.headers["ETag"] = described["etag"]
    response.location = url_of(context.path)
    return response


def _put_folder(context: TreePlace, request: Request) -> Response:
    library, restricted, make = Library(), _flag(request, "restricted"), _flag(request, "parents")

    def make_it() -> tuple[dict[str, Any], bool]:
        tree = getUtility(INamedTree)
        there = _there(context)
        if there is not None:
            if not INamedFolder.providedBy(there):
                raise AlreadyThere(context.path)
            there.put  # noqa: B018  # through its security proxy: only who may change it is told "done"
            return describe_folder(there), False
        tree.folder(context.folder_path, make)
        return describe_folder(tree.make_folder(context.path, restricted)), True

    described, is_new = library.tree.run(make_it)
    response = Response(json_body=described, status=201 if is_new else 200)
    response.location = url_of(context.path) + "/"
    return response


def _post(context: TreePlace, request: Request) -> Response:
    fields = sent(request)
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
    raise HTTPBadRequest("Say move_to, folder, delete or file.")


def _move(context: TreePlace, request: Request, target: str) -> Response:
    _check_write(context, request)
    moved = getUtility(INamedTree).move(context.path, target)
    described = describe_folder(moved) if INamedFolder.providedBy(moved) else describe_entry(moved)
    return done(request, url_of(moved.path), described, 201)


def _post_file(context: TreePlace, request: Request, upload: Any) -> Response:
    """A file from a form; it is small enough to be kept again when transactions conflict."""
    library, folder = Library(), getUtility(INamedTree)[context.path]
    filename = check_filename(upload.filename)
    folder.put  # noqa: B018  # through the security proxy: refused before the bytes are kept
    check_part(upload.headers.items(), upload.file)
    stored = library.store.put(upload.file)
    there = folder.get(filename)
    restricted = folder.restricted or (there is not None and there.restricted)
    mimetype = media_type_for(filename)
    record = library.add(stored, filename, mimetype, restricted=restricted, owner=acting_owner())
    entry = folder.put(filename, LibraryFileAlias(library, record))
    return done(request, url_of(context.path) + "/", describe_entry(removeSecurityProxy(entry)), 201)


def _delete(context: TreePlace, request: Request) -> Response:
    _check_write(context, request)
    getUtility(INamedTree).remove(context.path, _flag(request, "recursive"))
    return Response(status=204)


def _there(context: TreePlace) -> Any:
    try:
        return getUtility(INamedTree)[context.path]
    except NotThere:
        return None


def _check_write(context: TreePlace, request: Request) -> Any:
    """What is at the path, or None.  Raises what would keep a change from being made there:
    ConditionFailed, Unauthorized."""
    there = _there(context)
    etag = None if there is None else getattr(removeSecurityProxy(there), "etag", None) or '""'
    _nearest(context).put  # noqa: B018  # through its security proxy
    if refuses_write(request_headers(request.environ), etag):
        raise ConditionFailed(context.path)
    return there


def _nearest(context: TreePlace) -> Any:
    """The folder that `context` is in, or the lowest above it that there is."""
    found = getUtility(INamedTree).root
    for name in context.names[:-1]:
        inner = found.get(name)
        if not INamedFolder.providedBy(inner):
            break
        found = inner
    return found


def _ends_in_slash(request: Request) -> bool:
    return bool(request.path_info.endswith("/"))


def _flag(request: Request, name: str) -> bool:
    try:
        return as_bool(request.GET.get(name, "false") or "true")
    except ValueError:
        raise HTTPBadRequest(f"{name} is true or false.") from None


def _number(request: Request, name: str, default: int, most: int) -> int:
    stated = request.GET.get(name)
    if stated is None:
        return default
    if not (stated.isascii() and stated.isdigit() and len(stated) < 17 and 1 <= int(stated) <= most):
        raise HTTPBadRequest(f"{name} is a number from 1 to {most}.")
    return int(stated)


place = by_method(GET=_show, PUT=_put, POST=_post, DELETE=_delete)
