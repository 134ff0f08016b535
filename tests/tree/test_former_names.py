"""A tree of the time before the modules were moved: ``former_names.fs.gz``, as a server has left it.

It has files, also restricted, deleted and held ones, links, folders, tracker files, people and teams, tokens,
feature flags, code imports that have run, and mirrors that were probed.
"""

import gzip
import re
import tempfile
import unittest
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ZODB.broken import find_global
from ZODB.interfaces import IBroken
from zope.component import getUtilitiesFor

from librarian.library.model.subtree import sha1_keys
from librarian.tree.class_names import ClassNames
from librarian.tree.interfaces import ISubtree
from librarian.tree.service import Tree
from tests.support.layers import Functional

ARCHIVE = Path(__file__).with_name("former_names.fs.gz")
GLOBAL = re.compile(rb"c(librarian[\w.]*)\n([\w.]+)\n")


class Former(unittest.TestCase):
    layer = Functional  # has registered all subtrees

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        path = Path(folder.name) / "Data.fs"
        path.write_bytes(gzip.decompress(ARCHIVE.read_bytes()))
        self.tree = Tree.from_uri(f"file://{path}")
        self.addCleanup(self.tree.close)

    def records(self) -> Iterator[tuple[bytes, bytes]]:
        position = None
        while True:
            oid, _tid, data, position = self.tree._database.storage.record_iternext(position)
            yield oid, data
            if position is None:
                return

    def names(self) -> set[tuple[str, str]]:
        """Module and name of each class of ours that any record holds."""
        return {
            (module.decode(), name.decode())
            for _oid, data in self.records()
            for module, name in GLOBAL.findall(data)
        }

    def test_each_class_is_found_before_anything_is_rewritten(self) -> None:
        kinds = ClassNames()
        lost = [name for name in self.names() if IBroken.implementedBy(kinds(None, *name))]
        self.assertEqual(lost, [])

    def test_afterwards_no_record_holds_a_former_name(self) -> None:
        self.tree.bring_up_to_date()
        former = ClassNames().former_names()
        self.assertEqual([name for name in self.names() if ".".join(name) in former], [])
        self.assertEqual([name for name in self.names() if IBroken.implementedBy(find_global(*name))], [])

    def test_every_object_can_be_read_then(self) -> None:
        self.tree.bring_up_to_date()
        with self.tree.session() as root:
            for oid, _data in list(self.records()):
                thing: Any = root._p_jar.get(oid)
                thing._p_activate()
                self.assertFalse(IBroken.providedBy(thing), thing)

    def test_what_was_there_is_there(self) -> None:
        self.tree.bring_up_to_date()
        with self.tree.session() as root:
            library, people = root["library"], root["people"]
            names = sorted(alias.filename for alias in library.aliases.values() if alias.owner is None)
            self.assertEqual(names, ["f1.txt", "f2.txt"])
            self.assertIn("rosa", people.persons)
            machine = root["machines"].machines["apollo"]
            self.assertEqual((type(machine).__name__, machine.state.name), ("CodeImportMachine", "OFFLINE"))
            self.assertEqual(sorted(root["mirrors"].distributions), ["ubuntu", "ubuntu2"])

    def test_its_indexes_are_small_and_lead_to_the_same(self) -> None:
        self.tree.bring_up_to_date()
        with self.tree.session() as root:
            library = root["library"]
            for index in (library.contents, library.aliases, library.by_sha1, library.by_content):
                self.assertEqual((type(index).__module__, len(index) > 0), ("librarian.tree.indexes", True))
            for key, content in library.contents.items():
                self.assertEqual(list(library.sha256s_of(bytes.fromhex(content.sha1))), [key])
                self.assertIn(sha1_keys(content)[1], library.by_sha1)

    def test_no_class_of_today_has_a_former_name(self) -> None:
        for _name, subtree in getUtilitiesFor(ISubtree):
            for former, kind in subtree.former_names.items():
                with self.subTest(former):
                    found = find_global(*former.rsplit(".", 1))
                    self.assertTrue(IBroken.implementedBy(found), f"{found} and {kind}")
