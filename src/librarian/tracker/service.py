"""The tracker as components use it."""

import logging
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from itertools import groupby, islice
from typing import BinaryIO, TypeVar

from zope.component import getUtility
from zope.interface import implementer

from librarian.library.interfaces import InvalidFilename
from librarian.library.operations import Library, LibraryFile
from librarian.library.service import HeldInSubtree
from librarian.security.audit import happened
from librarian.security.interaction import current_principal
from librarian.settings import ISettings
from librarian.store.interfaces import StoredBytes
from librarian.tracker.client.names import MAX_VERSION
from librarian.tracker.interfaces import (
    BadName,
    Declared,
    Entry,
    FileVersion,
    ITracker,
    NoLaterVersion,
    NoSuchDirectory,
    NoSuchFile,
    NoSuchVersion,
    NotYours,
    Overwrite,
    Pruned,
    TooLarge,
)
from librarian.tracker.model import EmptyDirectory, Held, Past, TrackerSubtree, hold_reason
from librarian.tracker.protocol import checked_name, most_unpacked
from librarian.tracker.settings import TrackerSettings
from librarian.tracker.uploads import Stored, store_upload

log = logging.getLogger(__name__)

T = TypeVar("T")

MIMETYPE = "application/octet-stream"  # a name tells nothing about its content here
_PRUNED_AT_ONCE = 500  # versions let go of in one transaction


@implementer(ITracker)
class Tracker:
    """The name space; keeps its files as restricted aliases, so that no digest search finds them."""

    def __init__(self) -> None:
        self._library = Library()
        self._settings = getUtility(ISettings)

    @property
    def settings(self) -> TrackerSettings:
        return self._settings.section(TrackerSettings)

    @property
    def subtree(self) -> TrackerSubtree:
        subtree: TrackerSubtree = self._library.tree.subtree("tracker")
        return subtree

    # Writing

    def put(
        self,
        name: str,
        stream: BinaryIO,
        version: int | None,
        rule: Overwrite,
        declared: Declared = Declared(),  # noqa: B008  # immutable
    ) -> tuple[FileVersion, bool]:
        path = _path(_reached("write", name))
        largest = self.settings.largest_file
        if largest and declared.size is not None and declared.size > largest:
            raise TooLarge(largest)
        present = self._library.tree.run_independently(lambda: self._refuse_early(path, version, rule))
        if present is not None:
            return _described(path, present), False
        limit = most_unpacked(declared, largest)
        stored = store_upload(self._library.store, stream, declared, limit, self.settings.keep_packed)
        if largest and stored.plain.size > largest:
            raise TooLarge(largest)
        held, is_ours = self._name(path, stored, version, rule)
        if is_ours:
            digest = held.sha256.hex()
            happened("tracker file put", name=name, version=held.version, size=held.size, sha256=digest)
        return _described(path, held), is_ours

    def _refuse_early(self, path: str, version: int | None, rule: Overwrite) -> Held | None:
        """The version that stays, whatever the bytes are: then they need not be read."""
        present = self.subtree.get(path)
        return present if present is not None and _stays(present, version, rule) else None

    def _name(self, path: str, stored: Stored, version: int | None, rule: Overwrite) -> tuple[Held, bool]:
        run, owner = self._library.tree.run_independently, current_principal().id

        def work() -> tuple[Held, bool]:
            return self._name_in_transaction(path, stored, version, rule, owner)

        try:
            return run(work)
        except EmptyDirectory:
            run(lambda: self.subtree.close_directory(path))
            return run(work)
        except InvalidFilename as error:
            raise BadName(f"/{path}", str(error)) from None

    def _name_in_transaction(
        self, path: str, stored: Stored, version: int | None, rule: Overwrite, owner: str
    ) -> tuple[Held, bool]:
        subtree, now = self.subtree, self._now()
        present = subtree.get(path)
        if present is not None:
            if version is None:
                version = max(now, present.version + 1)
                if version > MAX_VERSION:
                    raise NoLaterVersion(f"/{path}")
            if _stays(present, version, rule):
                return present, False
            if present.version == version and present.sha256.hex() == stored.plain.sha256:
                return present, True  # sent again, perhaps because the answer was lost
        version = now if version is None else version
        held = self._held(path, stored, version, now, owner)
        subtree.put(path, held, now)
        self._forget_beyond_rule(subtree, path, now)
        return held, True

    def _held(self, path: str, stored: Stored, version: int, now: int, owner: str) -> Held:
        packed, reason = stored.packed, hold_reason(path, version)
        alias_id = self._add(stored.plain, path, owner, reason)
        packed_id = 0 if packed is None else self._add(packed, path, owner, reason)
        return Held(
            version=version,
            size=stored.plain.size,
            sha256=bytes.fromhex(stored.plain.sha256),
            alias_id=alias_id,
            stored=now,
            owner=owner,
            packed_id=packed_id,
            packed_size=0 if packed is None else packed.size,
            packed_sha256=b"" if packed is None else bytes.fromhex(packed.sha256),
        )

    def _add(self, stored: StoredBytes, path: str, owner: str, reason: str) -> int:
        filename = path.rpartition("/")[2]
        record = self._library.add(stored, filename, MIMETYPE, restricted=True, owner=owner)
        self.subtree.holds.hold(record, reason)
        return record.id

    def delete(self, name: str, version: int) -> bool:
        path = _path(_reached("write", name))

        def work() -> bool:
            subtree, now = self.subtree, self._now()
            present = subtree.get(path)
            if present is None:
                raise NoSuchFile(name)
            if present.version > version:
                return False
            subtree.delete(path, now)
            self._forget_beyond_rule(subtree, path, now)
            return True

        deleted: bool = self._library.tree.run_independently(work)
        if deleted:
            happened("tracker file deleted", name=name, up_to_version=version)
        return deleted

    # Reading

    def get(self, name: str, version: int | None = None, *, deleted: bool = False) -> FileVersion:
        path = _path(_reached("read", name))
        present = self.subtree.get(path)
        if present is not None and version in (None, present.version):
            return _described(path, present)
        if version is None or (present is None and not deleted):
            raise NoSuchFile(name)
        for past in self.subtree.past(path):
            if past.held.version == version:
                return _described(path, past.held, past)
        raise NoSuchVersion(name, version)

    def open(self, file: FileVersion) -> LibraryFile:
        return LibraryFile(self.open_bytes(file), f"{file.name}@{file.version}")

    def open_bytes(self, file: FileVersion, *, packed: bool = False, whole: bool = True) -> BinaryIO:
        """A file, verified as the settings say; a large one most often is the store's own, which a server
        can send by itself.  `packed`: the gzip form; not `whole`: a part is wanted."""
        sha256 = file.packed_sha256 if packed else file.sha256
        size = file.packed_size if packed else file.size
        assert sha256 is not None  # the caller has looked whether it is kept packed
        store = self._library.store
        opened: BinaryIO = self._library.reads.checked(store, store.open(sha256), sha256, size, whole)
        return opened

    def listing(self, directory: str, not_after: int | None = None) -> bytes:
        path = _directory_path(_reached("read", directory, is_directory=True))
        found = [
            name
            for name, held in self._files(directory, path)
            if not_after is None or held.version <= not_after
        ]
        return "".join(f"{name}\n" for name in found).encode()

    def _files(self, directory: str, path: str) -> Iterator[tuple[str, Held]]:
        if path and not self.subtree.has_files(path):
            raise NoSuchDirectory(directory)
        return self.subtree.files(path)

    def entries(self, directory: str, after: str = "", limit: int = 1000) -> Sequence[Entry]:
        path = _directory_path(_reached("read", directory, is_directory=True))
        if path and not self.subtree.has_files(path):
            raise NoSuchDirectory(directory)
        found = islice(self.subtree.children(path, after), limit)
        return tuple(_entry(path, name, held) for name, held in found)

    def history(self, name: str) -> Sequence[FileVersion]:
        path = _path(_reached("read", name))
        present = self.subtree.get(path)
        found = [] if present is None else [_described(path, present)]
        found += [_described(path, past.held, past) for past in self.subtree.past(path)]
        if not found:
            raise NoSuchFile(name)
        return tuple(found)

    # Letting go

    def prune(self, dry_run: bool = False) -> Pruned:
        """In transactions of bounded size; what is put meanwhile is judged by itself."""
        after: str | None = ""
        versions = size = 0
        while after is not None:
            after, some = self._library.tree.run_independently(_bound(self._prune_some, after, dry_run))
            versions += some.versions
            size += some.bytes
        log.info("pruned versions=%d bytes=%d dry_run=%s", versions, size, dry_run)
        return Pruned(versions, size)

    def _prune_some(self, after: str, dry_run: bool) -> tuple[str | None, Pruned]:
        """Judge whole names until enough versions were seen; where to go on, None at the end."""
        subtree, now = self.subtree, self._now()
        seen, gone = 0, []
        for _name, group in groupby(subtree.all_past(after), lambda item: item[0].partition("\0")[0]):
            items = list(group)
            gone += self._beyond_rule(items, now)
            seen += len(items)
            after = items[-1][0]
            if seen >= _PRUNED_AT_ONCE:
                break
        if not dry_run:
            for key, _past in gone:
                subtree.forget(key)
        some = Pruned(len(gone), sum(past.held.size for _key, past in gone))
        return (after if seen >= _PRUNED_AT_ONCE else None), some

    def _forget_beyond_rule(self, subtree: TrackerSubtree, path: str, now: int) -> None:
        for key, _past in self._beyond_rule(subtree.past_keys(path), now):
            subtree.forget(key)

    def _beyond_rule(self, items: list[tuple[str, Past]], now: int) -> list[tuple[str, Past]]:
        """Of one name's past, the earliest first, what the settings do not keep."""
        settings = self.settings
        too_many = max(0, len(items) - settings.keep_versions)
        too_old = now - settings.keep_for.total_seconds()
        return [
            (key, past)
            for place, (key, past) in enumerate(items)
            if place < too_many or past.superseded <= too_old
        ]

    def _now(self) -> int:
        return int(self._library.clock.now().timestamp())


def _reached(action: str, name: str, *, is_directory: bool = False) -> str:
    """The name, if it is one and the credential in use reaches it, or all of the directory.

    A token's scope is written with or without the leading slash: ``tracker:read:/problems`` or
    ``tracker:read:problems``.
    """
    if name != "/":
        _name, version = checked_name(name)
        if version is not None:
            raise BadName(name, "version not allowed in this API call")
    principal = current_principal()
    wanted = name.rstrip("/") + "/" if is_directory else name
    scopes = (f"tracker:{action}:{wanted}", f"tracker:{action}:{wanted.lstrip('/')}")
    if not any(principal.has_scope(scope) for scope in scopes):
        raise NotYours(name)
    return name


def _path(name: str) -> str:
    if name == "/":
        raise BadName(name, "a directory is no file")
    return name[1:]


def _directory_path(directory: str) -> str:
    return directory.strip("/")


def _stays(present: Held, version: int | None, rule: Overwrite) -> bool:
    """Whether what is there stays, by the rule of the protocol that is spoken."""
    if version is None or rule is Overwrite.ALWAYS:
        return False
    return present.version > version or (rule is Overwrite.IF_NEWER and present.version == version)


def _described(path: str, held: Held, past: Past | None = None) -> FileVersion:
    return FileVersion(
        name=f"/{path}",
        version=held.version,
        size=held.size,
        sha256=held.sha256.hex(),
        packed_sha256=held.packed_sha256.hex() if held.packed_id else None,
        packed_size=held.packed_size,
        stored=datetime.fromtimestamp(held.stored, UTC),
        owner=held.owner,
        superseded=None if past is None else datetime.fromtimestamp(past.superseded, UTC),
        deleted=past is not None and past.deleted,
    )


def _entry(directory: str, name: str, held: Held | None) -> Entry:
    path = f"{directory}/{name}" if directory else name
    return Entry(name, f"/{path}", None if held is None else _described(path, held))


def _bound(work: Callable[[str, bool], T], after: str, dry_run: bool) -> Callable[[], T]:
    return lambda: work(after, dry_run)


references = HeldInSubtree("tracker")
