"""A library's files, names, uploads, upkeep, backups and evolution."""

import gzip
import tempfile
from contextlib import closing
from datetime import timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

import transaction

from librarian.library.backup.restoring import Restore
from librarian.library.backup.writing import Backup
from librarian.library.opening import open_library
from librarian.library.service import BoundAlias
from librarian.library.upkeep.garbage.collector import GarbageCollector
from librarian.library.upkeep.scrubbing import Scrub
from librarian.library.uploads.service import ResumableUploads
from librarian.naming.service import NamedTree
from librarian.store.disk.store import DiskStore
from librarian.store.receiving import GATHER_BYTES
from librarian.tracker.interfaces import Overwrite
from librarian.tracker.service import Tracker
from librarian.tree.service import Tree
from tests.crash.recording import Words
from tests.crash.scenes.scene import Scene, describe, digest, known
from tests.support.documents.library import keep, library_in
from tests.support.layers import Functional
from tests.tree.test_former_names import ARCHIVE

SIZES = (5, 700, 5000, GATHER_BYTES + 5000)  # bytes; the last is written to a file as it comes


class FirstStart(Scene):
    """A server in an empty folder, its first file, a stop, a start, another file."""

    @classmethod
    def prepare(cls, site: Path) -> None:
        pass

    def run(self) -> None:
        for data in (b"the first", b"the second"):
            with library_in(self.site) as library:
                self.library = library
                self.add(data)


class Files(Scene):
    """Files are added, also twice the same, deleted and brought back."""

    def work(self) -> None:
        ids = [self.add(self.chance.randbytes(size), restricted=size == SIZES[1]) for size in SIZES]
        self.add(b"twice")
        self.add(b"twice")
        self.change(ids[0], "delete", None)
        self.change(ids[2], "delete", None)
        self.change(ids[0], "undelete", self.described(ids[0]))

    def described(self, alias_id: int) -> list[Any]:
        """What a judge finds of a file that was deleted a moment ago."""
        with self.library.tree.session():
            record = self.library.alias(alias_id)
            content = record.content or record.former_content
            assert content is not None
            return [content.sha256, record.restricted]

    def change(self, alias_id: int, verb: str, value: Any) -> None:
        """Call a method of the library with an alias."""

        def work() -> None:
            getattr(self.library, verb)(self.library.alias(alias_id))

        with self.changing("alias", alias_id, value):
            self.library.tree.run(work)


class Names(Scene):
    """The named tree: a new name, one that is overwritten, one that moves, one that goes."""

    def work(self) -> None:
        for path, data in (
            ("a/b/first", b"one"),
            ("a/second", b"two"),
            ("a/second", b"two, anew"),
            ("c", b"c"),
        ):
            alias_id = self.add(data)
            with self.changing("name", path, digest(data)), open_library():
                named = BoundAlias(self.library.alias(alias_id), self.library)
                folder, _slash, name = path.rpartition("/")
                NamedTree().folder(folder, make=True).put(name, named)
                transaction.commit()
        with self.changing("name", "moved", digest(b"c")), self.changing("name", "c", None), open_library():
            NamedTree().move("c", "moved")
            transaction.commit()
        with self.changing("name", "a/b/first", None), open_library():
            NamedTree().remove("a/b", recursive=True)
            transaction.commit()


class Tracked(Scene):
    """The tracker: new names, newer versions, a deletion."""

    def work(self) -> None:
        tracker = Tracker()
        for name, version in (("/d/a", 1), ("/d/b", 1), ("/d/a", 2), ("/d/a", 3)):
            data = f"{name} {version} ".encode() * 900
            with self.changing("tracked", name, [version, digest(data)]), open_library():
                tracker.put(name, BytesIO(data), version, Overwrite.IF_NEWER)
        with self.changing("tracked", "/d/b", None), open_library():
            tracker.delete("/d/b", 1)


class Pieces(Scene):
    """An upload in three pieces that is completed, a piece of another one, and one that is cancelled."""

    def work(self) -> None:
        data = self.chance.randbytes(9000)
        with open_library():
            self.uploads = ResumableUploads()
            first, second, third = (self.begin(len(data), name) for name in ("whole", "part", "cancelled"))
            self.piece(third, data, 0, 1500)
            self.piece(first, data, 0, 3000)
            self.piece(second, data, 0, 4500)
            self.piece(first, data, 3000, 6000)
            with self.changing("upload", third, None):
                self.uploads.cancel(third)
            alias_id = self.last_piece(first, data, 6000)
            self.promises.holds("alias", alias_id, [digest(data), False])

    def begin(self, length: int, name: str) -> str:
        """The id of an upload that is acknowledged."""
        partial = self.uploads.begin(
            name, "text/plain", length=length, owner=None, restricted=False, expires=None, digests=()
        )
        partial.close()
        self.promises.holds("upload", partial.id, [0, digest(b"")])
        return partial.id

    def piece(self, upload_id: str, data: bytes, start: int, end: int) -> None:
        """A piece whose end is acknowledged."""
        piece = self.uploads.piece(upload_id, start, size=end - start)
        piece.write(data[start:end])
        piece.finish().settle()
        piece.discard()
        self.promises.holds("upload", upload_id, [end, digest(data[:end])])

    def last_piece(self, upload_id: str, data: bytes, start: int) -> int:
        """The piece that completes an upload; the id of the file."""
        self.promises.forget("upload", upload_id)
        piece = self.uploads.piece(upload_id, start, size=len(data) - start)
        piece.write(data[start:])
        piece.finish().settle()
        described = self.uploads.complete(piece.partial)
        piece.discard()
        return int(described["id"])


class Upkeep(Scene):
    """Garbage is collected and swept, the tree packed twice, damaged bytes are quarantined and healed."""

    def work(self) -> None:
        library, promises = self.library, self.promises
        kept = [self.add(b"kept %d" % number) for number in range(3)]
        for each in kept:
            library.tree.run(lambda: library.subtree.holds.hold(library.alias(each), "the test"))  # noqa: B023
        expired = self.add(b"expired", expires=Functional.world.clock.now() + timedelta(days=1))
        library.store.put(BytesIO(b"bytes that no content names"))
        promises.may("alias", expired, None)
        for _run in range(3):
            promises.move_clock(days=8)
            GarbageCollector(library).run()
        library.tree.pack(0)
        promises.pause()
        self.add(b"after the pack")
        library.tree.pack(0)
        promises.pause()
        self.damage_and_heal(kept[0], b"kept 0")

    def damage_and_heal(self, alias_id: int, data: bytes) -> None:
        """A scrub finds a damaged file, and an upload of the same bytes brings them back."""
        self.promises.forget("alias", alias_id)
        self.promises.holds("damaged", digest(data), None)
        with Path(self.library.store._layout.held(digest(data))).open("r+b") as file:
            file.write(b"?")
        Scrub(self.library).run()
        self.promises.pause()
        self.library.store.put(BytesIO(data))
        self.promises.forget("damaged", digest(data))
        self.promises.holds("alias", alias_id, [digest(data), False])


class Backups(Scene):
    """Two backups into one folder, with files between them."""

    def work(self) -> None:
        self.contents.add(digest(b"a first one"))
        names: list[str] = []
        for number in range(2):
            for each in range(3):
                self.add(b"%d %d " % (number, each) * 200)
            self.promises.move_clock(hours=1)
            names.append(Functional.world.clock.now().strftime("%Y-%m-%dT%H%M%SZ"))
            with (
                self.changing("manifests", "backup", list(names)),
                self.changing("backup", "backup", sorted(self.contents)),
            ):
                Backup(self.library, self.site / "backup").run()


class Restored(Scene):
    """A backup is restored into an empty place."""

    @classmethod
    def prepare(cls, site: Path) -> None:
        with library_in(site) as library:
            for number in range(3):
                keep(library, b"%d " % number * 200)
            Backup(library, site / "backup").run()

    def run(self) -> None:
        contents = sorted(digest(b"%d " % number * 200) for number in range(3))
        with self.without_syncfs(), self.changing("restored", "restored", contents):
            Restore(self.site / "backup").run(self.site / "restored", Functional.world.clock)


class BackupsWithoutSyncfs(Backups):
    """The same on a file system whose syncfs(2) is not relied on: each file is synced by itself."""

    def run(self) -> None:
        with self.without_syncfs():
            super().run()


class Evolved(Scene):
    """A tree that an older version has left is brought up to date by its steps; its files are all damaged."""

    @classmethod
    def prepare(cls, site: Path) -> None:
        (site / "tree").mkdir()
        (site / "tree" / "Data.fs").write_bytes(gzip.decompress(ARCHIVE.read_bytes()))
        store = DiskStore(site / "bytes", Functional.world.clock)
        for sha256 in cls.described()[0]:
            held = Path(store._layout.held(sha256))
            held.parent.mkdir(parents=True)
            held.write_bytes(b"?")

    @staticmethod
    def described() -> tuple[list[str], dict[str, list[Any]]]:
        """The contents of the tree, and what it says of its files, once it is up to date."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "Data.fs")
            path.write_bytes(gzip.decompress(ARCHIVE.read_bytes()))
            with closing(Tree.from_uri(f"file://{path}")) as tree:
                tree.bring_up_to_date()
                with tree.session():
                    library = tree.subtree("library")
                    found = {str(each): describe(record) for each, record in library.aliases.items()}
                    return [sha256.hex() for sha256 in library.contents], found

    def __init__(self, site: Path, words: Words) -> None:
        contents, aliases = self.described()
        words.say(known=known({"damaged": dict.fromkeys(contents), "described": aliases}))
        super().__init__(site, words)

    def run(self) -> None:
        with library_in(self.site) as library:
            self.library = library
            self.add(b"of the new version")
