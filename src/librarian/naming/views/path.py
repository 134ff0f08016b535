"""The path that a request is about, and what the conditions and parameters of a request say."""

from typing import Any

from pyramid.httpexceptions import HTTPBadRequest
from pyramid.request import Request

from librarian.naming.writing import check_change
from librarian.settings import as_bool
from librarian.web.files.delivery import request_headers


class TreePath:
    """A path below ``/tree``, whether or not a folder or entry is there."""

    def __init__(self, names: tuple[str, ...] = ()) -> None:
        self.names = names

    def __getitem__(self, name: str) -> "TreePath":
        return TreePath((*self.names, name))

    @property
    def path(self) -> str:
        """The whole path, with a leading slash."""
        return "/" + "/".join(self.names)

    @property
    def folder_path(self) -> str:
        """The path of the folder above, with a leading slash."""
        return "/" + "/".join(self.names[:-1])


def check_write(context: TreePath, request: Request) -> Any:
    """check_change() for the conditions of a request."""
    return check_change(context.path, request_headers(request.environ))


def ends_in_slash(request: Request) -> bool:
    """Whether the URL names a folder: traversal drops the slash."""
    return bool(request.path_info.endswith("/"))


def flag(request: Request, name: str) -> bool:
    """A yes-or-no parameter of the query; absent is no, without a value yes.  Raises HTTPBadRequest."""
    try:
        return as_bool(request.GET.get(name, "false") or "true")
    except ValueError:
        raise HTTPBadRequest(f"{name} must be true or false.") from None


def number(request: Request, name: str, default: int, most: int) -> int:
    """A parameter of the query from 1 to `most`.  Raises HTTPBadRequest."""
    stated = request.GET.get(name)
    if stated is None:
        return default
    if not (stated.isascii() and stated.isdigit() and len(stated) < 17 and 1 <= int(stated) <= most):
        raise HTTPBadRequest(f"{name} must be a number from 1 to {most}.")
    return int(stated)
