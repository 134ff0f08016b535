"""What documents on the library need: things that happen to files only with time, a neighbour, logs."""

import atexit
import gzip
import shutil
import tempfile
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import transaction
from mmdb_writer import MMDBWriter
from netaddr import IPSet
from zope.component import getGlobalSiteManager, getUtility, queryMultiAdapter
from zope.interface import implementer
from zope.publisher.base import DefaultPublication
from zope.publisher.browser import BrowserRequest
from zope.publisher.interfaces.browser import IBrowserPublisher
from zope.publisher.publish import publish
from zope.security.checker import Checker as SecurityChecker
from zope.security.checker import CheckerPublic, ProxyFactory
from zope.security.proxy import removeSecurityProxy

from librarian.binding import stored
from librarian.interfaces import IClock, ISettings
from librarian.library.installation import unite
from librarian.library.interfaces import NEVER_EXPIRES, IFileHolder, ILibraryFileAliasSet
from librarian.library.operations import Library
from librarian.library.upkeep.garbage.collector import GarbageCollector
from librarian.library.upkeep.garbage.report import Action
from librarian.store.disk.store import DiskStore
from librarian.store.interfaces import IByteStore
from librarian.tree.interfaces import ITree
from librarian.tree.service import Tree
from librarian.web.interfaces import IAppSection


def delete_content(alias: Any) -> None:
    """Delete the file behind an alias, as the collector does a week after its expiry."""
    getUtility(ITree).subtree("library").delete_content(stored(removeSecurityProxy(alias)))


def three_files() -> tuple[Any, Any, Any]:
    """Committed aliases: ``logo.txt``, public; ``plan.txt``, restricted; ``gone.txt``, deleted."""
    aliases = getUtility(ILibraryFileAliasSet)
    logo = aliases.create("logo.txt", 4, BytesIO(b"LOGO"), "text/plain", NEVER_EXPIRES)
    plan = aliases.create("plan.txt", 4, BytesIO(b"PLAN"), "text/plain", NEVER_EXPIRES, restricted=True)
    gone = aliases.create("gone.txt", 4, BytesIO(b"GONE"), "text/plain")
    delete_content(gone)
    transaction.commit()
    return logo, plan, gone


@implementer(IFileHolder)
class BugReport:
    """An object of some other application, which keeps attachments."""

    def __init__(self, attachments: dict[str, int]) -> None:
        self.attachments = attachments

    def getFileByName(self, filename: str) -> int:
        return self.attachments[filename]


@implementer(IAppSection)
class BugSection:
    """Shows one bug report under a URL."""

    title = "Bug"
    description = "A bug report."

    def __init__(self, report: Any) -> None:
        self._report = report

    def root(self, parent: Any, request: Any) -> Any:
        return self._report


def bug_report(attachments: dict[str, int], permission: str | None = None) -> Any:
    """A bug report whose attachments need `permission`; None: no permission."""
    needed = CheckerPublic if permission is None else permission
    return ProxyFactory(BugReport(attachments), SecurityChecker({"getFileByName": needed}))


@contextmanager
def published(report: Any) -> Iterator[str]:
    """Show `report` in the web application for the length of a `with`; its URL."""
    registry, section = getGlobalSiteManager(), BugSection(report)
    registry.registerUtility(section, IAppSection, "bug")
    try:
        yield "http://localhost:6543/bug"
    finally:
        registry.unregisterUtility(section, IAppSection, "bug")


class LogFile:
    """An access log in a temporary folder, as nginx and Apache would write it."""

    def __init__(self) -> None:
        folder = tempfile.mkdtemp(prefix="librarian-log-")
        weakref.finalize(self, shutil.rmtree, folder)
        self.path = Path(folder) / "access.log"

    def add(self, client: str, request: str, status: int, size: int) -> None:
        """A line for a request such as ``GET /7/a.txt``, made now, with `size` bytes sent."""
        time = getUtility(IClock).now().strftime("%d/%b/%Y:%H:%M:%S %z")
        line = f'{client} - - [{time}] "{request} HTTP/1.1" {status} {size} "-" "curl/8"\n'
        with gzip.open(self.path, "at") if self.path.suffix == ".gz" else self.path.open("a") as file:
            file.write(line)

    def rotate(self) -> None:
        """Rename and compress it, as logrotate does."""
        rotated = self.path.with_suffix(".log.gz")
        rotated.write_bytes(gzip.compress(self.path.read_bytes()))
        self.path.unlink()
        self.path = rotated


@contextmanager
def country_database(networks: dict[str, str]) -> Iterator[None]:
    """A database of addresses for the length of a `with`: the country's code for each network."""
    writer = MMDBWriter(ip_version=6, ipv4_compatible=True, database_type="Country")
    for network, code in networks.items():
        writer.insert_network(IPSet([network]), {"country": {"iso_code": code}})
    settings = getUtility(ISettings)
    with tempfile.NamedTemporaryFile(suffix=".mmdb") as file:
        writer.to_db_file(file.name)
        settings.push("countries", f"[librarian]\ncountry_database = {file.name}")
        try:
            yield
        finally:
            settings.pop("countries")


def damage(sha256: str) -> None:
    """Flip one bit of the bytes that the store in memory holds, as a bad disk does."""
    store = getUtility(IByteStore)
    held = store._held[sha256]
    store._held[sha256] = replace(held, data=bytes([held.data[0] ^ 1]) + held.data[1:])


class ZopePublication(DefaultPublication):
    """What an application makes of a zope publisher: objects by name, then views of an object."""

    require_docstrings = False

    def traverseName(self, request: Any, ob: Any, name: str, check_auth: int = 1) -> Any:
        view = queryMultiAdapter((ob, request), name=name)
        return super().traverseName(request, ob, name) if view is None else view

    def getDefaultTraversal(self, request: Any, ob: Any) -> Any:
        publisher = IBrowserPublisher(ob, None) or queryMultiAdapter((ob, request), IBrowserPublisher)
        return (ob, ()) if publisher is None else publisher.browserDefault(request)


def zope_published(objects: dict[str, Any], path: str, **environ: str) -> Any:
    """The request that a zope publisher has published at `path` below `objects`; its response has
    getStatus(), getHeader(), and a body that is read by consumeBodyIter()."""
    request = BrowserRequest(BytesIO(), {"PATH_INFO": path, "REQUEST_METHOD": "GET", **environ})
    request.setPublication(ZopePublication(objects))
    return publish(request, handle_errors=False)


def a_copy_of(data: bytes) -> Path:
    """A folder that holds these bytes as a store's or a backup's would."""
    folder = tempfile.mkdtemp(prefix="librarian-copy-")
    atexit.register(shutil.rmtree, folder)
    DiskStore(Path(folder), getUtility(IClock)).put(BytesIO(data))
    return Path(folder)


class _TimedTree(Tree):
    """Its host has the clock that is moved by hand."""

    def host_time(self) -> datetime:
        return getUtility(IClock).now()


@contextmanager
def library_in(folder: Path, store: IByteStore | None = None) -> Iterator[Library]:
    """A library on the engines that one process runs with, kept in `folder`, for the length of a `with`.

    Its bytes are there too, unless they are in a `store`.  The clock stays the one that is moved by hand.
    """
    registry = getGlobalSiteManager()
    clock, before = getUtility(IClock), (getUtility(ITree), getUtility(IByteStore))
    tree = _TimedTree.from_uri(f"file://{folder}/tree/Data.fs")
    registry.registerUtility(tree, ITree)
    registry.registerUtility(store or DiskStore(folder / "bytes", clock), IByteStore)
    try:
        tree.bring_up_to_date()
        unite(tree, getUtility(IByteStore))
        yield Library()
    finally:
        tree.close()
        registry.registerUtility(before[0], ITree)
        registry.registerUtility(before[1], IByteStore)


def keep(library: Library, data: bytes, name: str = "f.bin", **options: Any) -> int:
    """Store bytes and commit an alias of them; its id."""
    stored = library.store.put(BytesIO(data))
    mimetype = "application/octet-stream"
    return library.tree.run(lambda: library.add(stored, name, mimetype, **options).id)


def add_named(name: str, **options: Any) -> Any:
    """The committed alias of a file whose text is its name."""
    aliases = getUtility(ILibraryFileAliasSet)
    alias = aliases.create(name, len(name), BytesIO(name.encode()), "text/plain", **options)
    transaction.commit()
    return alias


def holding(alias: Any, reason: str) -> list[str]:
    """Hold a file, commit, and return its holders."""
    alias.hold(reason)
    transaction.commit()
    holders: list[str] = alias.holders()
    return holders


def collect(dry_run: bool = False) -> None:
    """Run the garbage collector and print its actions, or ``nothing``: ``marked alias a.txt``."""
    lines: list[str] = []

    def tell(action: Action) -> None:
        lines.append(f"{action.verb} {action.kind} {action.name}".rstrip())

    GarbageCollector(Library(), dry_run, tell).run()
    print("\n".join(lines) or "nothing")
