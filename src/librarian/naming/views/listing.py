"""The page of a folder: what is in it, in one of several orders, and what its README says."""

from itertools import islice
from typing import Any
from urllib.parse import urlencode

from pyramid.httpexceptions import HTTPBadRequest
from pyramid.request import Request
from pyramid.response import Response
from zope.security.proxy import removeSecurityProxy

from librarian.library.interfaces import NotStored
from librarian.library.views.preview import TEXT, beginning
from librarian.naming.interfaces import INamedFolder
from librarian.naming.views.description import describe_folder, describe_line, url_of
from librarian.naming.views.path import number
from librarian.store.interfaces import BytesDamaged, BytesNotFound, StoreTrouble
from librarian.web.errors import wants_page
from librarian.web.forms import page
from librarian.web.requests.mounting import local_path

TEMPLATE = "librarian.naming:templates/folder.jinja2"
LISTED = 100  # folders and entries on a page
MOST_LISTED = 1000
MOST_SORTED = 500  # names in a folder that is sorted otherwise than by name; it is one page then

#: What stands above each column, and the order in which it puts the folder.
COLUMNS = (("Name", "name"), ("Size", "size"), ("Type", ""), ("Version", ""), ("Changed", "changed"))
SORTS = ("name", "-name", "size", "-size", "changed", "-changed")
READMES = (
    "README",
    "README.txt",
    "README.md",
    "README.rst",
    "Readme.txt",
    "Readme.md",
    "readme.txt",
    "readme.md",
)


def list_folder(folder: Any, request: Request) -> Response:
    """One page of a folder's listing, by ``?start=&limit=``, or all of a small folder by ``?sort=``."""
    values = listing_values(folder, request)
    response = page(request, TEMPLATE, values)
    if values["next"] is not None:
        response.headers["Link"] = f'<{values["next"]}>; rel="next"'  # RFC 8288, section 3
    return response


def listing_values(folder: Any, request: Request) -> dict[str, Any]:
    """The values of page(): those that begin with ``_`` are for the template only."""
    sort = stated_sort(request)
    listed, following = _by_name(folder, request) if sort == "name" else (_sorted(folder, sort), None)
    values = {**describe_folder(folder), "entries": listed, "next": following}
    if not wants_page(request):
        return values
    return {
        **values,
        "_title": folder.path.rpartition("/")[2] or "Tree",
        "_above": above(folder.path),
        "_here": url_of(folder.path),
        "_may_edit": request.has_permission("librarian.EditTree", folder),
        "_uploads": local_path("/+uploads"),
        "_columns": _columns(folder, sort),
        "_readme": None if request.GET.get("start") else readme_of(folder),
    }


def stated_sort(request: Request) -> str:
    """The parameter `sort`: one of SORTS.  Raises HTTPBadRequest."""
    sort = request.GET.get("sort", "name")
    if sort not in SORTS:
        raise HTTPBadRequest(f"sort is one of {', '.join(SORTS)}.")
    return sort


def _by_name(folder: Any, request: Request) -> tuple[list[dict[str, Any]], str | None]:
    start, limit = request.GET.get("start", ""), number(request, "limit", LISTED, most=MOST_LISTED)
    found = list(folder.listing(start, limit + 1))
    following = _next(folder, found[limit].name, limit) if len(found) > limit else None
    return [describe_line(each) for each in found[:limit]], following


def _next(folder: Any, start: str, limit: int) -> str:
    return f"{url_of(folder.path)}/?{urlencode({'start': start, 'limit': limit})}"


def _sorted(folder: Any, sort: str) -> list[dict[str, Any]]:
    """All lines of a small folder.  Raises HTTPBadRequest for another."""
    if not _is_small(folder):
        raise HTTPBadRequest(f"A folder with more than {MOST_SORTED} names is sorted by name only.")
    lines = [describe_line(each) for each in folder.listing()]
    keys = {
        "name": lambda line: line["name"],
        "size": lambda line: -1 if line.get("size") is None else line["size"],
        "changed": lambda line: line["date"],
    }
    return sorted(lines, key=keys[sort.removeprefix("-")], reverse=sort.startswith("-"))


def _is_small(folder: Any) -> bool:
    """Whether a folder can be sorted: at most MOST_SORTED names are looked at, and no object is loaded."""
    names = islice(removeSecurityProxy(folder).children.keys(), MOST_SORTED + 1)
    return sum(1 for _name in names) <= MOST_SORTED


def _columns(folder: Any, sort: str) -> list[tuple[str, str | None, str | None]]:
    """Text of each column, the URL that sorts by it, and what aria-sort says of it."""
    small, here = _is_small(folder), url_of(folder.path)
    columns = []
    for text, by in COLUMNS:
        order = ("descending" if sort.startswith("-") else "ascending") if sort.lstrip("-") == by else None
        turned = f"-{by}" if order == "ascending" else by
        columns.append((text, f"{here}/?sort={turned}" if by and small else None, order))
    return columns


def above(path: str) -> list[tuple[str, str]]:
    """Name and URL of each folder above `path`, the root first."""
    names = [name for name in path.split("/") if name]
    paths = ["/" + "/".join(names[:end]) for end in range(len(names))]
    return [(each.rpartition("/")[2] or "Tree", url_of(each) + "/") for each in paths]


def readme_of(folder: Any) -> dict[str, Any] | None:
    """``name``, ``text`` and ``cut`` of the folder's README, if there is one that is text."""
    for name in READMES:
        entry = folder.get(name)
        if entry is None or INamedFolder.providedBy(entry):
            continue
        alias = removeSecurityProxy(entry).alias()
        try:
            text = beginning(alias)
        except (BytesDamaged, BytesNotFound, StoreTrouble, NotStored):
            continue  # the listing is shown all the same
        if "\0" not in text:
            return {"name": name, "text": text, "cut": alias.content.filesize > TEXT}
    return None
