"""Folders and entries of the named tree as JSON, which the page of a folder shows too."""

from typing import Any

from zope.security.proxy import removeSecurityProxy

from librarian.library.filenames import quoted
from librarian.library.http.description import FILE, describe
from librarian.naming.interfaces import INamedFolder
from librarian.web.openapi.schemas import (
    COUNT,
    FILE_ID,
    FLAG,
    SHA256,
    SIZE,
    TEXT,
    TIME,
    URL,
    Named,
    array,
    extended,
    maybe,
    nullable,
    obj,
    one_of,
)
from librarian.web.requests.mounting import local_path

#: describe_entry()
ENTRY = Named(
    "TreeEntry",
    obj(path=TEXT, kind=one_of(["file"]), version=COUNT, etag=nullable(TEXT), restricted=FLAG, file=FILE),
)
#: describe_folder()
FOLDER = Named("TreeFolder", obj(path=TEXT, kind=one_of(["folder"]), restricted=FLAG, owner=nullable(TEXT)))
_VERSION = obj(
    version=COUNT,
    url=URL,
    id=FILE_ID,
    date=TIME,
    author=nullable(TEXT),
    size=nullable(SIZE),
    sha256=nullable(SHA256),
)
#: describe_history()
HISTORY = Named("TreeHistory", obj(path=TEXT, versions=array(_VERSION)))
#: describe_line()
LINE = Named(
    "TreeLine",
    obj(
        name=TEXT,
        kind=one_of(("file", "folder")),
        url=URL,
        restricted=FLAG,
        id=maybe(FILE_ID),
        mimetype=maybe(TEXT),
        size=maybe(nullable(SIZE)),
        sha256=maybe(nullable(SHA256)),
        version=maybe(COUNT),
        date=TIME,
    ),
)
LISTING = Named("TreeListing", extended(FOLDER, entries=array(LINE), next=nullable(URL)))


def url_of(path: str) -> str:
    """The URL of a path, without scheme and host and without a slash at its end."""
    return local_path("/tree" + quoted(path).rstrip("/"))


def describe_entry(entry: Any) -> dict[str, Any]:
    """An entry as JSON."""
    return describe_version(entry.path, entry.version, removeSecurityProxy(entry.alias()), entry.restricted)


def describe_version(path: str, number: int | None, alias: Any, restricted: bool) -> dict[str, Any]:
    """A version of the entry at `path` as JSON; `number` is None where the entry has it no longer."""
    content = alias.content
    return {
        "path": path,
        "kind": "file",
        "version": number,
        "etag": content and f'"{content.sha256}"',
        "restricted": restricted,
        "file": describe(alias),
    }


def describe_folder(folder: Any) -> dict[str, Any]:
    """A folder as JSON, without its listing."""
    owner = removeSecurityProxy(folder.owner)
    return {
        "path": folder.path,
        "kind": "folder",
        "restricted": folder.restricted,
        "owner": None if owner is None else owner.name,
    }


def describe_history(entry: Any) -> dict[str, Any]:
    """The versions of an entry as JSON, the current one first."""
    versions = []
    for version in reversed(entry.versions):
        alias = removeSecurityProxy(entry.alias(version.number))
        content = alias.content
        versions.append(
            {
                "version": version.number,
                "url": f"{url_of(entry.path)}?version={version.number}",
                "id": version.alias_id,
                "date": version.date.isoformat(),
                "author": version.author,
                "size": content and content.filesize,
                "sha256": content and content.sha256,
            }
        )
    return {"path": entry.path, "versions": versions}


def describe_line(named: Any) -> dict[str, Any]:
    """A folder or entry of a listing as JSON; listings have only what the principal may see."""
    bare = removeSecurityProxy(named)
    line = {
        "name": bare.name,
        "kind": "folder" if INamedFolder.providedBy(bare) else "file",
        "url": url_of(bare.path),
        "restricted": bare.restricted,
    }
    return line | (_file_of_line(bare) if line["kind"] == "file" else _dates_of_line(bare))


def _dates_of_line(folder: Any) -> dict[str, Any]:
    return {"date": folder.date_created.isoformat()}


def _file_of_line(entry: Any) -> dict[str, Any]:
    alias = entry.alias()
    content = alias.content
    return {
        "id": alias.id,
        "mimetype": alias.mimetype,
        "size": content and content.filesize,
        "sha256": content and content.sha256,
        "version": entry.version,
        "date": entry.versions[-1].date.isoformat(),
    }
