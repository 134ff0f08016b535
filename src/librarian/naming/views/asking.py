"""The pages that ask before something is moved or removed: ``/tree/folder/?move=NAME``, ``?delete=NAME``."""

from typing import Any

from pyramid.request import Request
from pyramid.response import Response
from zope.component import getUtility
from zope.security.proxy import removeSecurityProxy

from librarian.naming.interfaces import INamedTree
from librarian.naming.views.description import describe_line, url_of
from librarian.naming.views.listing import above
from librarian.web.forms import page

MOVE = "librarian.naming:templates/move.jinja2"
REMOVE = "librarian.naming:templates/remove.jinja2"


def ask_where_to(folder: Any, request: Request) -> Response:
    """Ask for the new path of the node `?move=`.  Raises NotThere, Unauthorized."""
    return page(request, MOVE, move_values(folder, request.GET["move"]))


def move_values(folder: Any, name: str, stated: str | None = None, error: str = "") -> dict[str, Any]:
    """The values of the page; `stated` is the path that was typed, and `error` what is wrong with it."""
    node = folder.child_to_move(name)
    path = removeSecurityProxy(node).path
    return {
        "_title": f"Rename or move {name}",
        "_above": above(path),
        "_back": url_of(folder.path) + "/",
        "_action": url_of(path),
        "_stated": path if stated is None else stated,
        "_error": error,
        "path": path,
    }


def ask_removal(folder: Any, request: Request) -> Response:
    """Ask whether the node `?delete=` shall be removed, and say what goes with it."""
    node = folder.child_to_move(request.GET["delete"])
    bare = removeSecurityProxy(node)
    values = {
        "_title": f"Delete {bare.name}",
        "_above": above(bare.path),
        "_here": url_of(folder.path) + "/",
        "_full": bool(getattr(bare, "children", ())),
        "path": bare.path,
        "versions": len(getattr(bare, "versions", ())),
        **describe_line(bare),
    }
    return page(request, REMOVE, values)


def folder_above(path: str) -> Any:
    """The INamedFolder that `path` lies in.  Raises NoSuchFolder."""
    return getUtility(INamedTree).folder(path.rpartition("/")[0])
