"""A disk opened as a server opens it after a power cut, and compared with what was acknowledged before it.

The rules: the library opens, or refuses with a sentence and opens after ``librarian fsck --tree --repair``;
everything that was acknowledged is there and whole; no alias leads to bytes that are missing or wrong; fsck
finds no error; and the library goes on: a file is added, and all of that holds once more after a restart.
"""

import hashlib
import logging
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any
from unittest import mock

from librarian.interfaces import LibrarianError, one_line
from librarian.library.backup.interfaces import NoBackup
from librarian.library.backup.manifests import read_manifest
from librarian.library.backup.restoring import Restore
from librarian.library.backup.writing import Backup
from librarian.library.interfaces import AliasNotFound
from librarian.library.opening import open_library
from librarian.library.operations import Library
from librarian.library.upkeep.checking import ERROR, Check
from librarian.library.upkeep.tree_checking import CheckTree
from librarian.naming.interfaces import NotThere
from librarian.naming.service import NamedTree
from librarian.spool.exchange.exporter import Exporter
from librarian.spool.exchange.importer import Importer
from librarian.store.disk import marks
from librarian.store.interfaces import BytesNotFound, PartialNotFound
from librarian.tracker.client.interfaces import FileNotFound
from librarian.tracker.client.stores.local import LocalDataStore
from librarian.tracker.interfaces import NoSuchFile
from librarian.tracker.service import Tracker
from librarian.tree.filestorage.crash_recovery import repair
from tests.crash.operations import Said
from tests.crash.scenes.folders import Cached, cache_in, partner, read_cached, run
from tests.crash.scenes.scene import describe
from tests.support.documents.library import keep, library_in
from tests.support.layers import Functional

Thing = tuple[str, str]  # kind and name

ABSENT = None
WITHIN_A_SESSION = (
    "alias",
    "described",
    "name",
    "tracked",
    "upload",
    "spooled",
    "copied",
    "manifests",
)  # kinds of things
BY_THEMSELVES = ("backup", "restored", "exported", "imported", "cached")


class Expected:
    """What a reader may find, from what was said."""

    def __init__(self, words: Iterable[Said]) -> None:
        self.values: dict[Thing, list[Any]] = {}
        self.now: datetime | None = None
        self.partner: dict[str, bytes] = {}  # what its server holds
        for word in words:
            for facts in word.facts.get("known", [word.facts]):
                self._take(facts)

    def _take(self, facts: dict[str, Any]) -> None:
        if "clock" in facts:
            self.now = datetime.fromisoformat(facts["clock"])
        elif "partner" in facts:
            self.partner = {name: bytes.fromhex(data) for name, data in facts["partner"].items()}
        elif "holds" in facts:
            self.values[self._thing(facts["holds"])] = [facts["value"]]
        elif "may" in facts:
            self.values.setdefault(self._thing(facts["may"]), [ABSENT]).append(facts["value"])
        elif "forget" in facts:
            self.values.pop(self._thing(facts["forget"]), None)

    @staticmethod
    def _thing(pair: list[str]) -> Thing:
        kind, name = pair
        return kind, name


class Judge:
    """Judges what is in `site`; `refusals` are the sentences with which a library did not open at first."""

    def __init__(self, site: Path, expected: Expected, *, restarted: bool) -> None:
        """`restarted`: the machine was, and not only the process."""
        self._site = site
        self._expected = expected
        self._restarted = restarted
        self._library: Library | None = None
        self.refusals: list[str] = []

    def faults(self) -> list[str]:
        """What is not as it should be, a line each."""
        if self._expected.now is not None:
            Functional.world.clock.set(self._expected.now)
        with _quiet(), self._after_a_start():
            try:
                return list(self._faults())
            except Exception as error:  # noqa: BLE001  # a traceback in the server's log
                return [f"raised {type(error).__name__}: {one_line(error)}"]

    @contextmanager
    def _after_a_start(self) -> Iterator[None]:
        boot = "another" if self._restarted else marks.boot_id()
        with mock.patch.object(marks, "boot_id", lambda: boot):
            yield

    def _faults(self) -> Iterator[str]:
        try:
            yield from self._open_and_compare()
        except LibrarianError as error:
            self.refusals.append(one_line(error))
            yield from self._repair_and_compare()

    def _repair_and_compare(self) -> Iterator[str]:
        try:
            repair(self._site / "tree" / "Data.fs")
            yield from self._open_and_compare()
        except LibrarianError as error:
            yield f"refused, also after the repair: {one_line(error)}"

    def _open_and_compare(self) -> Iterator[str]:
        with library_in(self._site) as library:
            found = list(self._differences(library))
            keep(library, b"added after the power cut")
        yield from found
        with library_in(self._site) as library:
            yield from (f"after a restart: {each}" for each in self._differences(library))
        yield from (
            str(each) for each in CheckTree(self._site / "tree" / "Data.fs") if each.severity == ERROR
        )

    def _differences(self, library: Library) -> Iterator[str]:
        self._library = library
        forgiven = {name for kind, name in self._expected.values if kind == "damaged"}
        with open_library():
            yield from self._lost(WITHIN_A_SESSION)
            yield from self._half(forgiven)
        yield from self._lost(BY_THEMSELVES)
        for finding in Check(library):
            if finding.severity == ERROR and finding.what not in forgiven:
                yield f"fsck: {finding}"

    def _lost(self, kinds: tuple[str, ...]) -> Iterator[str]:
        """Things of these kinds that are not what they have to be."""
        for (kind, name), values in list(self._expected.values.items()):
            if kind not in kinds:
                continue
            look: Callable[[str, list[Any]], Any] = getattr(self, f"_{kind}")
            try:
                found = look(name, values)
            except LibrarianError as error:
                found = f"{type(error).__name__}: {one_line(error)}"
            if found not in values:
                yield f"{kind} {name} is {found}, and not {' or '.join(map(str, values))}"

    def _half(self, forgiven: set[str]) -> Iterator[str]:
        """Aliases, acknowledged or not, whose bytes are not whole."""
        library = self._opened
        for alias_id, record in library.subtree.aliases.items():
            content = record.content
            if content is None or content.sha256 in forgiven:
                continue
            try:
                if library.store.verify(content.sha256) != content.filesize:
                    yield f"alias {alias_id} has bytes of another size"
            except LibrarianError as error:
                yield f"alias {alias_id} is not whole: {type(error).__name__} {one_line(error)}"

    @property
    def _opened(self) -> Library:
        assert self._library is not None
        return self._library

    # What is found of a thing, by its kind

    def _alias(self, name: str, _values: list[Any]) -> Any:
        try:
            record = self._opened.alias(int(name))
        except AliasNotFound:
            return ABSENT
        if record.content is None:
            return ABSENT
        with self._opened.open(record) as file:
            return [_digest(file.read()), record.restricted]

    def _described(self, name: str, _values: list[Any]) -> Any:
        """What the tree says of a file, whose bytes are elsewhere."""
        return describe(self._opened.subtree.aliases[int(name)])

    def _name(self, path: str, _values: list[Any]) -> Any:
        try:
            alias = NamedTree()[path].alias()
        except NotThere:
            return ABSENT
        return self._alias(str(alias.id), [])[0]

    def _tracked(self, name: str, _values: list[Any]) -> Any:
        tracker = Tracker()
        try:
            found = tracker.get(name)
        except NoSuchFile:
            return ABSENT
        with tracker.open(found) as file:
            return [found.version, _digest(file.read())]

    def _upload(self, upload_id: str, values: list[Any]) -> Any:
        """Offset and digest of the bytes before it; more bytes than were acknowledged are right too."""
        try:
            partial = self._opened.store.partials.open(upload_id)
        except PartialNotFound:
            return ABSENT
        try:
            with partial.received().open() as file:
                data = file.read()
        finally:
            partial.close()
        offset = min([len(data), *(value[0] for value in values if value is not ABSENT)])
        return [offset, _digest(data[:offset])]

    def _spooled(self, name: str, _values: list[Any]) -> Any:
        path = self._site / "spool" / name
        return _digest(path.read_bytes()) if path.exists() else ABSENT

    def _exported(self, name: str, _values: list[Any]) -> Any:
        """After the next run: the digests of what the partner has, and of our copy."""
        there, spool = self._exchanged(Exporter), self._site / "spool"
        own = sorted(_digest(path.read_bytes()) for path in spool.glob(f"cur/{name}*"))
        return [_digest(there[name]) if name in there else None, *own]

    def _imported(self, name: str, _values: list[Any]) -> Any:
        """After the next run: the digests of what has come of it, in whichever space it is."""
        there, spool = self._exchanged(Importer), self._site / "spool"
        found = [path for space in ("new", "cur") for path in spool.glob(f"{space}/{name}*")]
        return [_digest(path.read_bytes()) for path in found] + (
            [f"{name} is still there"] if name in there else []
        )

    def _exchanged(self, direction: Any) -> dict[str, bytes]:
        """What a partner has after one run more."""
        if not (self._site / "spool" / "new").exists():
            return self._expected.partner
        with partner(lambda _server: None) as server:
            for name, data in self._expected.partner.items():
                (server.root / name).write_bytes(data)
            run(direction, self._site / "spool", server)
            self._expected.partner = server.files()
        return self._expected.partner

    def _cached(self, sha256: str, _values: list[Any]) -> Any:
        """What is read of an object, after what a front end or the loop is given of it unread."""
        cache, data = cache_in(self._site), next(one for one in Cached.DATA if _digest(one) == sha256)
        with suppress(BytesNotFound), os.fdopen(cache.open_descriptor(sha256), "rb") as file:
            if (found := _digest(file.read())) != sha256:
                return f"{found} by its descriptor"
        return _digest(read_cached(cache, data))

    def _copied(self, name: str, _values: list[Any]) -> Any:
        store = LocalDataStore(str(self._site / "store"))
        try:
            stream, _version = store.get_stream(name)
        except FileNotFound:
            return ABSENT
        with stream:
            return _digest(stream.read())

    def _manifests(self, name: str, _values: list[Any]) -> Any:
        """The names of the backups that can be restored, oldest first."""
        found = sorted(path.stem for path in (self._site / name / "manifests").glob("*.json"))
        for each in found:
            read_manifest(self._site / name, each)
        return found or ABSENT

    def _backup(self, name: str, _values: list[Any]) -> Any:
        """The contents of the newest backup; then another is made, which must have all there is."""
        folder, trial = self._site / name, self._site.with_name("trial")
        if not folder.exists():
            return ABSENT
        try:
            found = self._contents_of_backup(folder, trial)
        except NoBackup:
            found = ABSENT
        Functional.world.clock.move(hours=1)
        Backup(self._opened, folder).run()
        with self._opened.tree.session():
            wanted = sorted(key.hex() for key in self._opened.subtree.contents)
        if (next_one := self._contents_of_backup(folder, trial)) != wanted:
            return f"in the next backup {next_one}"
        self._expected.values["backup", name] = [wanted]
        self._expected.values.pop(("manifests", name), None)
        return found

    @staticmethod
    def _contents_of_backup(folder: Path, trial: Path) -> Any:
        try:
            restored = Restore(folder).run(trial, Functional.world.clock)
            return f"damaged: {restored.damaged}" if restored.damaged else contents_in(trial)
        finally:
            shutil.rmtree(trial, ignore_errors=True)

    def _restored(self, name: str, _values: list[Any]) -> Any:
        folder = self._site / name
        return contents_in(folder) if (folder / "tree").exists() else ABSENT


def contents_in(folder: Path) -> list[str]:
    """The digests of a library's contents, each of which is whole.  Raises BytesNotFound, BytesDamaged."""
    with library_in(folder) as library, library.tree.session():
        found = [key.hex() for key in library.subtree.contents]
        for sha256 in found:
            library.store.verify(sha256)
    return found


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the log, in which a library says what it does about a power cut."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(before)
