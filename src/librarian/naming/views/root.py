"""``/tree/...``: the named tree over HTTP.

====================  ==========================================================================
GET entry             redirects to the file; ``?version=N`` to an old one; ``?history`` lists them;
                      with ``Accept: application/json`` its description
GET folder            its listing, as JSON or as a page, ``?start=&limit=``, or ``?sort=`` of a small one;
                      ``?zip``: all that is in it as one ZIP file; ``?move=NAME`` and ``?delete=NAME`` ask
                      before they are done
PUT entry             the body is the file: 201 new, 200 replaced; ``?parents=true`` makes folders;
                      with Upload-Complete it is resumable (see librarian.library.uploads)
PUT folder/           with a slash at its end: makes a folder; ``?restricted=true``
POST                  by its field: ``move_to=/path``, another path for it; ``current=N``, an old version
                      becomes the current one; to a folder: ``file``, ``folder=NAME``, ``delete=NAME`` with
                      ``recursive``, ``place=ID``, a file of the library gets its name here
DELETE                an entry, an empty folder, or any folder with ``?recursive=true``
====================  ==========================================================================

PUT, POST and DELETE of entries evaluate If-Match and If-None-Match (RFC 9110, section 13.1).  The entity
tag of an entry is that of its file.
"""

from typing import Any

from pyramid.request import Request
from zope.interface import implementer

from librarian.library.http.description import EXPIRY
from librarian.naming.views.changing import delete_node, post
from librarian.naming.views.description import ENTRY, FOLDER, HISTORY, LINE, LISTING
from librarian.naming.views.listing import MOST_LISTED, SORTS
from librarian.naming.views.path import TreePath
from librarian.naming.views.reading import show
from librarian.naming.views.storing import put
from librarian.web.forms import by_method
from librarian.web.interfaces import IAppSection, ITakesFiles
from librarian.web.openapi.declaring import (
    BINARY,
    BYTES,
    HTML,
    JSON,
    Answer,
    Body,
    describes,
    does,
    empty,
    fields,
    form_with_file,
    gives,
    redirects,
)
from librarian.web.openapi.schemas import COUNT, FILENAME, TEXT, WORD, array, extended, obj, one_of, told
from librarian.web.requests.parts import takes_parts


@implementer(IAppSection, ITakesFiles)
class TreeSection:
    """The named tree among the sections of the web application."""

    title = "Tree"
    description = "Files by path, in folders."

    def root(self, parent: Any, request: Request) -> TreePath:
        return TreePath()


section = TreeSection()

_CONDITIONS = {"If-Match": TEXT, "If-None-Match": TEXT}
_YES_OR_NO = one_of(("true", "false"))
_KEPT = {"anyOf": [ENTRY, FOLDER]}
_PUT = does(
    "Make the body the file at this path, or, with a slash at the end, make a folder",
    gives(_KEPT, 201, "New; or, with Upload-Complete, begun", "Location"),
    gives(_KEPT, 200, "Replaced, or there already", "Location"),
    body=Body({BYTES: BINARY, "text/plain": BINARY}, required=False),
    query={"parents": _YES_OR_NO, "restricted": _YES_OR_NO},
    headers={**_CONDITIONS, "Librarian-Expires": EXPIRY, "Upload-Complete": one_of(["?1"])},
)
_MOVED = obj(path=TEXT)
_PATH = {"type": "string", "pattern": "^/[a-z]{1,20}(/[a-z]{1,20}){0,3}$"}
_NUMBER = {"type": ["integer", "string"], "pattern": "^[1-9][0-9]{0,15}$", "minimum": 1, "maximum": 2**53}
_ACTIONS = fields(move_to=_PATH, folder=FILENAME, delete=FILENAME, current=_NUMBER, place=_NUMBER)
_ONE_OF_THEM = [{"required": [name]} for name in ("move_to", "folder", "delete", "current", "place")]
_ADDED = {"anyOf": [ENTRY, FOLDER, obj(path=TEXT, entries=array(ENTRY))]}
_POST = does(
    "Move what is here, make an old version the current one; in a folder make another, delete from it, give a"
    " file of the library its name there, or add the files of a form",
    gives(_ADDED, 201, "Done; entries where a form had several files", "Location"),
    gives({"anyOf": [ENTRY, _MOVED]}, 200, "The version is current, or the name is deleted"),
    redirects(303, "Done, for a browser"),
    body=Body(
        {
            **{kind: {**schema, "oneOf": _ONE_OF_THEM} for kind, schema in _ACTIONS.content.items()},
            **form_with_file(file={"type": "string", "format": "binary"}).content,
        }
    ),
    headers=_CONDITIONS,
)
_REMOVED = extended(LINE, path=TEXT, versions=COUNT)  # what ?delete= asks about
_FOUND = {"anyOf": [LISTING, ENTRY, HISTORY, _MOVED, _REMOVED]}
_LISTED = {
    "start": TEXT,
    "limit": {"type": "integer", "minimum": 1, "maximum": MOST_LISTED},
    "sort": told(one_of(SORTS), "all of a small folder, in this order"),
    "zip": told(TEXT, "all that is in the folder as one ZIP file"),
    "move": told(WORD, "asks for the new path of this name in the folder"),
    "delete": told(WORD, "asks whether this name in the folder shall be deleted"),
}
_GET = does(
    "A folder's listing, an entry's description, its history, or the file",
    Answer(200, "Found", {JSON: _FOUND, HTML: TEXT, "*/*": BINARY}, ("ETag",)),
    Answer(206, "Ranges of the file", {"*/*": BINARY}),
    Answer(304, "Not changed"),
    redirects(302, "There the file is"),
    query={
        **_LISTED,
        "version": {"type": "integer", "minimum": 1, "maximum": 2**53},
        "history": TEXT,
    },
    headers={"Accept": TEXT},
)
_LIST = does(
    "The listing of the root",
    Answer(
        200, "Found", {JSON: {"anyOf": [LISTING, _MOVED, _REMOVED]}, HTML: TEXT, "application/zip": BINARY}
    ),
    query=_LISTED,
    headers={"Accept": TEXT},
)
_DELETE = does(
    "Delete an entry, an empty folder, or with recursive any folder",
    empty(204, "Deleted"),
    query={"recursive": _YES_OR_NO},
    headers=_CONDITIONS,
)

_PUT_ROOT = does("Find the root there", gives(FOLDER, 200, "It is there", "Location"))

place = describes("/tree", GET=_LIST, PUT=_PUT_ROOT, POST=_POST, DELETE=_DELETE)(
    takes_parts(by_method(GET=show, PUT=put, POST=post, DELETE=delete_node))
)
# One segment stands for as many as a path has.
place = describes("/tree/{path:name}", GET=_GET, PUT=_PUT, POST=_POST, DELETE=_DELETE)(place)
