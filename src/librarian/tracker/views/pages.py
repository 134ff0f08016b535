"""``/tracker`` of the web application: pages of directories and of names; the protocol lies below it too."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

from pyramid.httpexceptions import HTTPNotFound
from pyramid.request import Request
from zope.component import getUtility
from zope.interface import implementer

from librarian.library.views.owners import owner_name
from librarian.tracker.interfaces import BadName, FileVersion, ITracker, NoSuchDirectory, NoSuchFile
from librarian.tracker.protocol import Endpoint, checked_name, parse_path
from librarian.tracker.views.description import describe_version
from librarian.tracker.views.routes import MOUNT, ProtocolPath
from librarian.web.interfaces import IAppSection
from librarian.web.openapi.declaring import undescribed
from librarian.web.requests.mounting import local_path

PAGE_SIZE = 500  # names on a page

_ENDPOINTS = frozenset(endpoint.value for endpoint in Endpoint if endpoint is not Endpoint.TOP)


@dataclass(frozen=True)
class _PathPage:
    """The page of one path.  Traversal goes through all segments of the path and ends here."""

    path: str  # begins with a slash

    def __getitem__(self, segment: str) -> Any:
        return self


class DirectoryPage(_PathPage):
    """The files and directories directly in a directory."""


class FilePage(_PathPage):
    """All versions of a name."""


@implementer(IAppSection)
class TrackerSection:
    """``/tracker``: the pages, and the protocol under the same URL."""

    title = "Tracker"
    description = "Files by name and version, shared by many machines, with their history."

    def root(self, parent: Any, request: Request) -> Any:
        rest = request.environ["PATH_INFO"][len(MOUNT) :]
        first = rest.strip("/").partition("/")[0]
        if first in _ENDPOINTS:
            request.environ["librarian.tracker.mount"] = MOUNT
            return ProtocolPath(parse_path(rest))
        return _page(rest, first)


section = TrackerSection()


def _page(rest: str, first: str) -> _PathPage:
    if first not in ("", "tree"):
        raise HTTPNotFound
    try:
        path = "/" + rest.encode("latin-1").decode("utf-8").strip("/").removeprefix("tree").strip("/")
        if path != "/":
            checked_name(path)
    except (UnicodeError, BadName):
        raise HTTPNotFound from None
    return FilePage(path) if _is_file(path) else DirectoryPage(path)


def _is_file(path: str) -> bool:
    """Whether the page is that of a name; a directory of this path takes precedence over an old file."""
    tracker = getUtility(ITracker)
    try:
        tracker.entries(path, limit=1)
    except NoSuchDirectory:
        return path != "/"
    return False


@undescribed("a page for people; programs have /tracker/list")
def directory_page(context: DirectoryPage, request: Request) -> dict[str, Any]:
    """The names, a page at a time, each with its version, size and time."""
    after = request.GET.get("after", "")
    found = list(getUtility(ITracker).entries(context.path, after, PAGE_SIZE + 1))
    return {
        "title": "Tracker",
        "crumbs": crumbs(context.path),
        "entries": [_row(entry) for entry in found[:PAGE_SIZE]],
        "next": f"?{urlencode({'after': found[PAGE_SIZE - 1].name})}" if len(found) > PAGE_SIZE else None,
    }


@undescribed("a page for people; programs have /tracker/history")
def file_page(context: FilePage, request: Request) -> dict[str, Any]:
    """All versions of a name, with links to each."""
    try:
        found = list(getUtility(ITracker).history(context.path))
    except NoSuchFile:
        raise HTTPNotFound from None
    base = request.application_url.rstrip("/") + MOUNT
    return {
        "title": "Tracker",
        "crumbs": crumbs(context.path),
        "versions": [_version_row(file, base) for file in found],
        "json_url": local_path(f"{MOUNT}/history{quote(context.path)}"),
    }


def crumbs(path: str) -> list[tuple[str, str]]:
    """Name and URL of every directory above, and of the path itself."""
    found = [("tracker", local_path(MOUNT))]
    parts = path.strip("/").split("/") if path != "/" else []
    for end, part in enumerate(parts, 1):
        found.append((part, local_path(f"{MOUNT}/tree/{quote('/'.join(parts[:end]))}")))
    return found


def _row(entry: Any) -> dict[str, Any]:
    url = local_path(f"{MOUNT}/tree{quote(entry.path)}")
    row = {"name": entry.name, "url": url, "is_directory": entry.file is None}
    if entry.file is not None:
        row |= _facts(entry.file)
    return row


def _version_row(file: FileVersion, base: str) -> dict[str, Any]:
    return {**describe_version(file, base), **_facts(file), "is_present": file.superseded is None}


def _facts(file: FileVersion) -> dict[str, Any]:
    return {
        "version": file.version,
        "size": _grouped(file.size),
        "packed_size": _grouped(file.packed_size) if file.packed_sha256 else None,
        "stored": file.stored,
        "owner": owner_name(file.owner),
    }


def _grouped(size: int) -> str:
    return f"{size:,}".replace(",", "\N{NARROW NO-BREAK SPACE}")
