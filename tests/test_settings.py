"""Settings from ini files that people write: values of every kind, typing errors, overlays."""

import unittest
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from librarian.interfaces import NoSuchOverlay, SettingsError
from librarian.settings import Section, Settings


@dataclass(frozen=True)
class Shelf(Section):
    """One setting of each kind."""

    prefix = "shelf"
    name: str = "oak"
    boards: int = 3
    slope: float = 0.0
    locked: bool = False
    place: Path = Path("cellar")
    patience: timedelta = timedelta(hours=1)
    guests: tuple[str, ...] = ()


class Values(unittest.TestCase):
    def read(self, **values: str) -> Shelf:
        return Settings({f"librarian.shelf.{key}": value for key, value in values.items()}).section(Shelf)

    def test_absent_ones_keep_their_defaults(self) -> None:
        self.assertEqual(self.read(), Shelf())

    def test_every_kind_is_read(self) -> None:
        found = self.read(
            name=" elm ",
            boards="4",
            slope="0.5",
            locked="Yes",
            place="/a b",
            patience="2w",
            guests="ann  bob",
        )
        self.assertEqual(found, Shelf("elm", 4, 0.5, True, Path("/a b"), timedelta(weeks=2), ("ann", "bob")))

    def test_what_cannot_be_read_is_told_with_its_key(self) -> None:
        for key, value in {
            "boards": "three",
            "slope": "steep",
            "locked": "perhaps",
            "patience": "a while",
        }.items():
            with self.subTest(key), self.assertRaises(SettingsError) as caught:
                self.read(**{key: value})
            self.assertEqual(caught.exception.key, f"librarian.shelf.{key}")

    def test_keys_of_others_are_no_business_of_ours(self) -> None:
        Settings({"pyramid.reload_templates": "true"}).check_names([Shelf])

    def test_a_typing_error_is_found_at_start(self) -> None:
        with self.assertRaises(SettingsError) as caught:
            Settings({"librarian.shelf.board": "4"}).check_names([Shelf])
        self.assertEqual(caught.exception.key, "librarian.shelf.board")

    def test_so_is_a_value_that_has_not_been_used_yet(self) -> None:
        self.assertRaises(SettingsError, Settings({"librarian.shelf.boards": "x"}).check_names, [Shelf])


class Overlays(unittest.TestCase):
    def setUp(self) -> None:
        self.settings = Settings({"librarian.shelf.boards": "4"})

    def push(self, name: str, line: str) -> None:
        self.settings.push(name, f"[librarian.shelf]\n{line}")

    def test_the_topmost_decides_and_what_it_does_not_name_shows_through(self) -> None:
        self.push("a", "boards = 5\nname = elm")
        self.push("b", "boards: 6")
        self.assertEqual(self.settings.section(Shelf), Shelf("elm", 6))
        self.settings.pop("b")
        self.assertEqual(self.settings.section(Shelf), Shelf("elm", 5))
        self.assertIn("boards = 5", self.settings.pop("a"))
        self.assertEqual(self.settings.section(Shelf), Shelf("oak", 4))

    def test_only_the_topmost_comes_off(self) -> None:
        self.push("a", "boards = 5")
        self.push("b", "boards = 6")
        self.assertRaises(NoSuchOverlay, self.settings.pop, "a")
        self.assertEqual(self.settings.section(Shelf).boards, 6)

    def test_text_that_is_no_ini_text_changes_nothing(self) -> None:
        self.assertRaises(SettingsError, self.settings.push, "a", "boards = 5")
        self.assertRaises(NoSuchOverlay, self.settings.pop, "a")

    def test_a_percent_sign_is_a_percent_sign(self) -> None:
        self.push("a", "name = 100%(wood)s")
        self.assertEqual(self.settings.section(Shelf).name, "100%(wood)s")
