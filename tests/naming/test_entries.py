"""Files behind the entries of the tree: the collector, new names, deletion, versions, listings."""

import transaction
from zope.security.proxy import removeSecurityProxy

from librarian.library.interfaces import NotStored
from librarian.library.operations import Library
from librarian.library.upkeep.garbage.collector import GarbageCollector
from librarian.naming.interfaces import NotThere
from tests.naming.support import APP, TreeCase
from tests.support.documents.library import delete_content
from tests.support.layers import Functional


class Keeping(TreeCase):
    def collect(self, days: float) -> None:
        Functional.world.clock.move(days=days)
        for _run in range(2):
            GarbageCollector(Library()).run()
            Functional.world.clock.move(days=8)
        GarbageCollector(Library()).run()
        transaction.abort()

    def test_the_collector_keeps_held_files(self) -> None:
        self.put("/ada/file", b"first")
        self.put("/ada/file", b"second")
        self.put("/ada/gone", b"third")
        gone = self.tree["/ada/gone"].alias_id
        self.ask("DELETE", "/ada/gone")
        self.collect(days=8)
        entry = self.tree["/ada/file"]
        self.assertEqual([entry.alias(number).read() for number in (1, 2)], [b"first", b"second"])
        self.assertNotIn(gone, Library().subtree.aliases)

    def test_a_renamed_file_is_downloaded_under_its_new_name(self) -> None:
        self.put("/ada/old.txt", b"text")
        tag = self.tree["/ada/old.txt"].etag
        body, form = b"move_to=/ada/new.txt", {"Content_Type": "application/x-www-form-urlencoded"}
        moved = self.ask("POST", "/ada/old.txt", body, **form)
        self.assertEqual((moved.status_int, moved.headers["Location"]), (201, f"{APP}/tree/ada/new.txt"))
        self.assertEqual(moved.json["etag"], tag)
        answer = self.ask("GET", "/ada/new.txt")
        self.assertTrue(answer.headers["Location"].endswith("/new.txt"))
        self.collect(days=8)
        self.assertEqual(self.tree["/ada/new.txt"].alias().read(), b"text")
        self.assertEqual(sum(1 for _hold in Library().tree.subtree("naming").holds), 1)

    def test_a_deleted_file_is_gone_and_can_be_replaced_or_moved(self) -> None:
        self.put("/ada/file", b"first")
        delete_content(self.tree["/ada/file"].alias())
        transaction.commit()
        self.assertEqual(self.ask("GET", "/ada/file").status_int, 410)
        self.assertIsNone(self.ask("GET", "/ada/file", Accept="application/json").json["etag"])
        self.assertEqual(self.ask("GET", "/ada").json["entries"][0]["size"], None)
        self.tree.move("/ada/file", "/ada/moved")
        transaction.commit()
        self.assertEqual(self.put("/ada/moved", b"second"), 200)
        alias = self.tree["/ada/moved"].alias()
        delete_content(alias)
        self.assertRaises(NotStored, self.tree.put, "/ada/other", removeSecurityProxy(alias))

    def test_paging_lists_each_name_once(self) -> None:
        folder = self.tree["/ada"]
        for number in range(25):
            folder.make_folder(f"f {number:02}&")
        transaction.commit()
        names, url = [], "/ada?limit=7"
        while url:
            page = self.ask("GET", url).json
            names += [entry["name"] for entry in page["entries"]]
            url = (page["next"] or "").removeprefix("/tree")
        self.assertEqual(names, [f"f {number:02}&" for number in range(25)])

    def test_removing_a_folder_removes_all_below_it(self) -> None:
        for path in ("/ada/f/a/1", "/ada/f/a/2", "/ada/f/b/3"):
            self.put(f"{path}?parents=true")
        self.assertEqual(self.ask("DELETE", "/ada/f").status_int, 409)
        self.assertEqual(self.ask("DELETE", "/ada/f?recursive=true").status_int, 204)
        subtree = Library().tree.subtree("naming")
        self.assertEqual((len(subtree.entries), list(subtree.holds)), (0, []))
        self.assertRaises(NotThere, self.tree.__getitem__, "/ada/f")
