"""Folders and files of an installation: whether they can be used, and whether there is room."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from rich.filesize import decimal

from librarian.app import declared_sections, settings_of
from librarian.commands.checking.findings import Finding, Installation, error, warning
from librarian.interfaces import SettingsError
from librarian.mail.settings import MailSettings
from librarian.people.settings import PeopleSettings
from librarian.security.settings import AuditSettings
from librarian.settings import Section
from librarian.store.cache.settings import CacheSettings
from librarian.store.disk.layout import read_installation
from librarian.store.s3.address import SCHEME
from librarian.store.settings import StoreSettings
from librarian.tree.opening import data_file
from librarian.tree.settings import TreeSettings
from librarian.web.settings import AccessLogSettings

ROOM = 100 << 20  # bytes; with less a warning

#: Settings that name a file, whose folder must take new files, or where the third says so a folder.
NAMED: tuple[tuple[type[Section], str, bool], ...] = (
    (AccessLogSettings, "access_log", False),
    (AuditSettings, "audit_log", False),
    (PeopleSettings, "failed_logins", False),
    (MailSettings, "queue", True),
)


def check_places(at: Installation) -> Iterator[Finding]:
    """Findings on everything that is written to on this machine."""
    yield from check_rights(at)
    if StoreSettings not in at.refused and not _is_bucket(at):
        yield from _check_bytes(at)
    if TreeSettings not in at.refused:
        yield from _check_tree_file(at.settings.section(TreeSettings))


def check_rights(at: Installation) -> Iterator[Finding]:
    """Findings on files and folders that this user cannot write, or that cannot be made."""
    for kind, name, is_folder in NAMED:
        stated = "" if kind in at.refused else str(getattr(at.settings.section(kind), name))
        if stated:
            yield from _takes_files(kind.key(name), Path(stated), is_folder=is_folder)
    if StoreSettings not in at.refused:
        yield from _check_byte_folder(at)
    if TreeSettings not in at.refused:
        uri = at.settings.section(TreeSettings).database_uri
        if uri.startswith("file://"):
            yield from _takes_files(TreeSettings.key("database_uri"), data_file(uri), is_folder=False)


def require_rights(values: Mapping[str, str]) -> None:
    """Raise SettingsError for the first place that cannot be written or made."""
    settings, sections = settings_of(values), declared_sections(values)
    refused = frozenset(kind for kind in sections.values() if settings.refusals_of(kind))
    for found in check_rights(Installation("", settings, sections, {}, refused)):
        raise SettingsError(found.what, found.why)


def _takes_files(what: str, path: Path, *, is_folder: bool) -> Iterator[Finding]:
    """`path`, or the folder that it is made in, must take new files; a file that is there, more bytes."""
    path = path.absolute()
    if not is_folder:
        if path.exists() and (path.is_dir() or not os.access(path, os.W_OK)):
            yield error(what, f"{path} cannot be written by this user")
            return
        path = path.parent
    there = _nearest(path)
    if not there.is_dir():
        yield error(what, f"{there} is no folder")
    elif not os.access(there, os.W_OK | os.X_OK):
        missing = "" if there == path else f" {path} cannot be made:"
        yield error(what, f"{missing} {there} is not for this user to write".strip())


def _nearest(path: Path) -> Path:
    """`path`, or the nearest of its parents that is there."""
    while not path.exists() and path != path.parent:
        path = path.parent
    return path


def _is_bucket(at: Installation) -> bool:
    return at.settings.section(StoreSettings).byte_store.strip().startswith(SCHEME)


def _check_byte_folder(at: Installation) -> Iterator[Finding]:
    """On the folder of the bytes, or that of the copies of what is in a bucket."""
    if not _is_bucket(at):
        path = Path(at.settings.section(StoreSettings).byte_store.strip())
        yield from _takes_files(StoreSettings.key("byte_store"), path, is_folder=True)
    elif CacheSettings not in at.refused:
        cache = at.settings.section(CacheSettings).byte_cache
        yield from _takes_files(CacheSettings.key("byte_cache"), cache, is_folder=True)


def _check_bytes(at: Installation) -> Iterator[Finding]:
    settings = at.settings.section(StoreSettings)
    what, path = settings.key("byte_store"), Path(settings.byte_store.strip()).absolute()
    yield from _room(what, _nearest(path), settings.byte_store_keep_free)
    if TreeSettings not in at.refused:
        yield from _check_pair(what, path, at.settings.section(TreeSettings))


def _check_pair(what: str, path: Path, tree: TreeSettings) -> Iterator[Finding]:
    """The tree is there and the bytes are not, or the other way round: a disk that is not mounted."""
    if not tree.database_uri.startswith("file://"):
        return
    file = data_file(tree.database_uri).absolute()
    has_bytes = path.is_dir() and _is_stored(path)
    if file.exists() and not path.is_dir():
        yield error(what, f"{path} is missing, and there is a tree at {file}; is a disk not mounted?")
    elif has_bytes and not file.exists():
        why = f"{file} is missing, and there are bytes in {path}; is a disk not mounted?"
        yield error(tree.key("database_uri"), why)


def _is_stored(path: Path) -> bool:
    try:
        return read_installation(str(path)) is not None
    except OSError:
        return False  # told as a folder of others


def _room(what: str, path: Path, keep_free: int) -> Iterator[Finding]:
    disk = os.statvfs(path)
    left = disk.f_bavail * disk.f_frsize - keep_free
    if left <= 0:
        yield error(what, f"there is no room in {path} beside the {decimal(keep_free)} that are kept free")
    elif left < ROOM:
        yield warning(what, f"there is room for {decimal(left)} in {path}")


def _check_tree_file(settings: TreeSettings) -> Iterator[Finding]:
    if not settings.database_uri.startswith("file://"):
        return
    what, path = settings.key("database_uri"), data_file(settings.database_uri)
    if not path.exists() and not settings.make_database:
        yield error(what, f"{path.absolute()} is missing, and {settings.key('make_database')} is off")
    yield from _room(what, _nearest(path.absolute().parent), settings.reserve)
