"""fsck of the tree's file, and its repair, on every kind of damage."""

from pathlib import Path

from librarian.library.upkeep.tree_checking import CheckTree
from librarian.tree.filestorage.crash_recovery import beside, repair
from librarian.tree.filestorage.datafile import DataFile
from librarian.tree.interfaces import TreeDamaged, TreeMissing, TreeUnavailable
from tests.tree.test_tails import WithAFile


class Checked(WithAFile):
    def told(self, data: bytes) -> list[str]:
        self.put(data)
        return [str(finding) for finding in CheckTree(self.path)]

    def test_whole(self) -> None:
        check = CheckTree(self.path)
        self.assertEqual([str(finding) for finding in check if finding.severity == "error"], [])
        self.assertEqual(check.seen["transactions"], len(self.found))
        self.assertIn("nothing to repair", repair(self.path))

    def test_a_torn_end(self) -> None:
        [said] = self.told(self.data[:-9] + bytes(9))
        self.assertIn("error torn end", said)
        self.assertIn("cut back", repair(self.path))
        self.assertEqual([str(one).split(":")[0] for one in CheckTree(self.path)], ["notice beside the tree"])
        self.assertEqual(self.read(), 18)

    def test_an_end_that_no_start_cuts(self) -> None:
        DataFile(self.path).close()
        index = beside(self.path, ".index").read_bytes()
        self.put(self.data[:-9])
        beside(self.path, ".index").write_bytes(index)
        said = [str(finding) for finding in CheckTree(self.path)]
        self.assertRegex(said[0], "error shortened: byte .*: its index describes [0-9]+ bytes; --repair cuts")

    def test_an_unfinished_commit_is_no_error(self) -> None:
        at = self.found[-1].position + 16
        [said] = self.told(self.data[:at] + b"c" + self.data[at + 1 :])
        self.assertIn("notice unfinished commit", said)

    def test_damage_inside(self) -> None:
        at = self.found[-8].position
        [said] = self.told(self.data[:at] + bytes(30) + self.data[at + 30 :])
        self.assertRegex(said, f"error damage: byte {at} .*; 7 whole transactions follow")
        at = self.found[-8].end - 100
        [said] = self.told(self.data[:at] + bytes(50) + self.data[at + 50 :])
        self.assertIn("error damaged transaction", said)
        before = self.path.read_bytes()
        self.assertRaises(TreeDamaged, repair, self.path)
        self.assertEqual(self.path.read_bytes(), before)

    def test_the_tree_of_before_a_pack(self) -> None:
        self.put(b"")
        beside(self.path, ".old").write_bytes(self.data[:-9] + bytes(9))
        [said] = [str(finding) for finding in CheckTree(self.path)]
        self.assertIn("error no tree", said)
        self.assertIn("cut back", repair(self.path))
        self.assertEqual(self.read(), 18)

    def test_nothing_to_repair_from(self) -> None:
        self.put(b"")
        self.assertRaises(TreeMissing, repair, self.path)
        self.assertRaises(TreeMissing, repair, Path(f"{self.path}.nowhere"))

    def test_beside_a_server(self) -> None:
        storage = DataFile(self.path)
        self.addCleanup(storage.close)
        self.assertRaisesRegex(TreeUnavailable, "stop the server", repair, self.path)
        self.assertEqual([one for one in CheckTree(self.path) if one.severity == "error"], [])
