"""The changes that tools.mutants makes, and that a living function takes them."""

import importlib.util
import sys
import unittest
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType
from typing import Any

from tools.mutants.changes import Mutant, mutants
from tools.mutants.running import Known, apply, look, notices, steady

SOURCE = '''
class Shelf:
    def room(self, books: list[int], most: int = 3) -> bool:
        """A docstring of 1 word is left alone."""
        if books and len(books) < most:
            books.append(7)
            return True
        return False


def first(books: list[int]) -> int | None:
    return books[0] if books is not None else None
'''


class Changes(unittest.TestCase):
    def setUp(self) -> None:
        folder = TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = Path(folder.name) / "shelf.py"
        self.path.write_text(SOURCE)

    def module(self) -> Any:
        spec = importlib.util.spec_from_file_location("shelf_of_a_test", self.path)
        assert spec is not None and spec.loader is not None
        made: ModuleType = importlib.util.module_from_spec(spec)
        sys.modules[made.__name__] = made
        self.addCleanup(sys.modules.pop, made.__name__)
        spec.loader.exec_module(made)
        return made

    def of(self, function: str) -> list[Mutant]:
        return [one for one in mutants(self.path) if one.function == function]

    def test_what_is_changed(self) -> None:
        self.assertEqual(
            [f"{one.before}  ->  {one.after}" for one in self.of("Shelf.room")],
            [
                "if books and len(books) < most:  ->  if not (books and len(books) < most):",
                "books and len(books) < most  ->  books or len(books) < most",
                "books.append(7)  ->  None",
                "return True  ->  return None",
                "len(books) < most  ->  len(books) <= most",
                "7  ->  8",
                "return False  ->  return True",
            ],
        )
        self.assertEqual([one.after for one in self.of("first")], ["return None", "books is None", "1"])

    def test_a_living_function_takes_it(self) -> None:
        shelf = self.module()
        books: list[int] = [1]
        for changed, left in zip(
            self.of("Shelf.room"), ([1], [1, 7], [1], [1, 7], [1, 7], [1, 8]), strict=False
        ):
            books = [1]
            self.assertEqual(apply(changed), 1)
            shelf.Shelf().room(books)
            self.assertEqual(books, left, changed.after)

    def test_which_test_notices(self) -> None:
        shelf = self.module()

        class Tests(unittest.TestCase):
            def test_room(self) -> None:
                books = [1]
                self.assertIs(shelf.Shelf().room(books), True)
                self.assertEqual(books, [1, 7])

            def test_nothing(self) -> None:
                self.assertTrue(shelf)

        known = [Known(Tests(name), None) for name in ("test_room", "test_nothing")]
        look(known, str(self.path.parent))
        self.assertEqual([len(one.calls) for one in known], [1, 0])
        noticed = [bool(notices(one, steady(known))) for one in self.of("Shelf.room")]
        self.assertEqual(noticed, [True, False, True, True, False, True, False])
