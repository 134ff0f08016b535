"""`librarian.remote.Library` against a real server, and against one that is busy."""

import os
import subprocess
import sys
import unittest
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest import mock

import urllib3

from librarian.remote import Library, TransferFailed, library
from librarian.remote.events import messages
from librarian.remote.patience import Patience
from tests.support.layers import Server

DATA = b"a poem\n" * 1000
MIB = 1 << 20
FORBIDDEN = ("BTrees", "ZODB", "click", "persistent", "pyramid", "rich", "transaction", "zope")


class Remote(unittest.TestCase):
    layer = Server

    def setUp(self) -> None:
        self.urls = Server.server.urls
        self.folder = Path(self.enterContext(TemporaryDirectory()))
        self.source = self.folder / "poem.txt"
        self.source.write_bytes(DATA)
        self.library = self.made()
        self.enterContext(mock.patch.dict(os.environ, {"XDG_CACHE_HOME": str(self.folder / "cache")}))

    def made(self) -> Library:
        urls = self.urls["app"], self.urls["upload"], self.urls["restricted-upload"]
        found = Library(*urls, patience_seconds=5)
        basic = urllib3.make_headers(basic_auth=f"admin:{Server.server.admin_password}")["authorization"]
        found._pool.authorize = lambda: basic
        return found

    def test_there_and_back(self) -> None:
        added = self.library.add(self.source, expires="never")
        self.assertEqual((added.filename, added.size, added.expires), ("poem.txt", len(DATA), "never"))
        self.assertEqual(added.sha256, sha256(DATA).hexdigest())
        for what in (added.id, added.url):
            got = self.library.get(what, self.folder / "copy", replace=True)
            self.assertEqual(got.read_bytes(), DATA)
        self.assertEqual(self.library.info(added.id), self.library.info(added.id))
        self.assertEqual(self.library.info(added.id).url, added.url)

    def test_large_files_go_in_pieces_and_a_part_is_gone_on_with(self) -> None:
        self.source.write_bytes(os.urandom(3 * MIB))
        with mock.patch.object(library, "LARGE", MIB):
            added = self.library.add(self.source)
            named = self.library.tree.put(self.source, "/pieces/poem.bin", parents=True)
        self.assertEqual((named.sha256, named.filename), (added.sha256, "poem.bin"))
        self.assertEqual(added.sha256, sha256(self.source.read_bytes()).hexdigest())
        (self.folder / "copy.part").write_bytes(self.source.read_bytes()[:MIB])
        (self.folder / "copy.part.etag").write_text(f'"{added.sha256}"')
        seen: list[int | None] = []
        self.library._watch = lambda title, total, have: seen.append(have) or mock.MagicMock()  # type: ignore[func-returns-value]
        got = self.library.get(added.url, self.folder / "copy")
        self.assertEqual((got.read_bytes(), seen), (self.source.read_bytes(), [MIB]))

    def test_a_restricted_file_and_a_link_to_it(self) -> None:
        added = self.library.add(self.source, restricted=True)
        self.assertIs(added.restricted, True)
        link = self.library.link(added.id, lifetime="15m", uses=1)
        # The file's own host name is for a name server; the endpoint goes by its address as well.
        link = self.urls["public"] + link.split("/", 3)[3]
        self.assertEqual(self.library.get(link, self.folder / "copy").read_bytes(), DATA)
        with self.assertRaises(TransferFailed) as caught:
            self.library.get(link, self.folder / "again")
        self.assertEqual(caught.exception.status, 404)

    def test_holds_and_deletion(self) -> None:
        added = self.library.add(self.source)
        held = self.library.hold(added.id, "order 17")
        self.assertEqual(len(held), 1)
        self.assertIn("order 17", held[0])
        self.assertEqual(self.library.release(added.id, "order 17"), [])
        self.library.delete(added.id)
        self.assertRaises(TransferFailed, self.library.get, added.url, self.folder / "copy")
        self.assertEqual(self.library.undelete(added.id).url, added.url)

    def test_the_named_tree(self) -> None:
        tree = self.library.tree
        put = tree.put(self.source, "remote/poems/a.txt", parents=True)
        self.assertEqual(put.size, len(DATA))
        self.assertEqual([(each.name, each.kind) for each in tree.list("/remote/poems")], [("a.txt", "file")])
        self.assertEqual(self.library.get("remote/poems/a.txt", self.folder / "copy").read_bytes(), DATA)
        tree.move("remote/poems/a.txt", "/remote/b.txt")
        self.assertEqual([each.name for each in tree.list("remote")], ["b.txt", "poems"])
        tree.remove("remote", recursive=True)
        self.assertRaises(TransferFailed, lambda: list(tree.list("remote")))

    def test_search(self) -> None:
        self.source = self.source.rename(self.folder / "zanzibar.txt")
        added = self.library.add(self.source)
        (found,) = self.library.search(str(added.id))
        self.assertEqual((found.file, found.matched), (self.library.info(added.id), "id"))
        self.assertIn(added.id, [match.file.id for match in self.library.search(added.sha256)])
        self.assertEqual(list(self.library.search("0" * 64)), [])

    def test_events(self) -> None:
        """The first connection is broken off; what happens before the next one is told all the same."""
        stream = self.library.events("file.added")
        answer = stream._ask(None)
        opening = next(messages(iter([answer.read1(1 << 16)])))
        answer.close()
        added = self.library.add(self.source)
        event = next(iter(self.library.events("file.added", last_id=opening["id"])))
        self.assertEqual((event.type, event.subject), ("file.added", f"files/{added.id}"))
        self.assertEqual(event.data["filename"], "poem.txt")
        again = self.library.add(self.source, name="again.txt")
        event = next(iter(self.library.events(last_id=event.stream_id)))
        self.assertEqual(event.subject, f"files/{again.id}")

    def test_refusals_say_why(self) -> None:
        with self.assertRaises(TransferFailed) as caught:
            self.library.info(5)
        self.assertEqual(caught.exception.status, 404)
        nowhere = Library(*(["http://127.0.0.1:1/"] * 3))
        self.assertRaisesRegex(OSError, "127.0.0.1:1/.*Connection refused", nowhere.add, self.source)


class Busy(unittest.TestCase):
    """A server that says Retry-After is asked again then, and not for ever."""

    def test_it_waits_as_long_as_it_is_told(self) -> None:
        asked = []

        def send() -> urllib3.HTTPResponse:
            asked.append(1)
            busy = len(asked) < 3
            headers = {"Retry-After": "2"} if busy else {}
            return urllib3.HTTPResponse(b"{}", headers, 503 if busy else 200)

        with mock.patch.object(Patience, "sleep") as sleep:
            answer = Library(patience_seconds=10).answer_to("it", send)
            self.assertEqual((answer.status, [call.args[0] for call in sleep.call_args_list]), (200, [2, 2]))
            asked[:] = []
            with self.assertRaisesRegex(TransferFailed, "it: 503"):
                Library(patience_seconds=3).answer_to("it", send)
        self.assertEqual(len(asked), 2)


class Apart(unittest.TestCase):
    def test_nothing_of_the_server_is_imported(self) -> None:
        """The contract of imports says so of the code; this of what is loaded."""
        code = (
            "import sys, librarian.remote;"
            f" print([name for name in {FORBIDDEN!r} if name in sys.modules and name != 'zope'])"
        )
        paths = os.pathsep.join(path for path in sys.path if path)
        done = subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "PYTHONPATH": paths},
        )
        self.assertEqual(done.stdout.strip(), "[]")
