"""A site whose tree is damaged, as its commands meet it."""

import tempfile
import unittest
from pathlib import Path
from unittest import mock

from persistent.mapping import PersistentMapping

from librarian.commands.common.site import opened_site
from librarian.tree.interfaces import TreeUnreadable
from librarian.tree.service import Tree


class Damaged(unittest.TestCase):
    """An object is garbage in the middle of the file, where no start looks."""

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory(prefix="librarian-site-")
        self.addCleanup(folder.cleanup)
        path = Path(folder.name) / "Data.fs"
        first = Tree.from_uri(f"file://{path}")
        first.run(lambda: first.root().update(one=PersistentMapping(text="a" * 500), more="b" * 200_000))
        first.run(lambda: first.root().update(two=PersistentMapping(text="c" * 200_000)))
        first.close()
        data = path.read_bytes()
        at = data.index(b"a" * 500)
        path.write_bytes(data[: at - 400] + bytes(900) + data[at + 500 :])
        self.tree = Tree.from_uri(f"file://{path}")
        self.addCleanup(self.tree.close)

    def test_it_is_told_in_a_line_what_looks_closer(self) -> None:
        with (
            mock.patch("librarian.commands.common.site.read_ini", lambda ini: {}),
            mock.patch("librarian.commands.common.site.configure_components"),
            mock.patch("librarian.commands.common.site.getUtility", lambda interface: self.tree),
            mock.patch("librarian.commands.common.site.open_library", self.tree.session),
            self.assertRaisesRegex(TreeUnreadable, "librarian fsck --tree"),
            opened_site("any.ini") as root,
        ):
            len(root["one"])
