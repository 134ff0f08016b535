"""Writers at the same time: one creation succeeds, no version is lost, no folder lies in itself."""

from functools import partial
from typing import Any

import transaction
from ZODB.POSException import ConflictError

from librarian.library.operations import Library
from tests.naming.support import TreeCase
from tests.support.threads import elsewhere


class Races(TreeCase):
    def test_one_of_twenty_concurrent_creations_succeeds(self) -> None:
        statuses = self.together(
            20, lambda number: self.send("PUT", "/ada/one", b"%d" % number, If_None_Match="*")
        )
        self.assertEqual(sorted(statuses), [201] + [412] * 19)
        self.assertEqual(self.tree["/ada/one"].version, 1)

    def test_one_of_ten_replacements_with_if_match_succeeds(self) -> None:
        self.put("/ada/one", b"first")
        tag = self.tree["/ada/one"].etag
        statuses = self.together(
            10, lambda number: self.send("PUT", "/ada/one", b"%d" % number, If_Match=tag)
        )
        self.assertEqual(sorted(statuses), [200] + [412] * 9)
        self.assertEqual(self.tree["/ada/one"].version, 2)

    def test_replacing_at_the_same_time_loses_no_version(self) -> None:
        self.put("/ada/one", b"first")
        statuses = self.together(10, lambda number: self.send("PUT", "/ada/one", b"%d" % number))
        self.assertEqual(statuses, [200] * 10)
        entry = self.tree["/ada/one"]
        found = {entry.alias(version.number).read() for version in entry.versions}
        self.assertEqual(found, {b"first", *(b"%d" % number for number in range(10))})

    def test_different_names_do_not_disturb_each_other(self) -> None:
        statuses = self.together(20, lambda number: self.send("PUT", f"/ada/{number}", b"x"))
        self.assertEqual(statuses, [201] * 20)
        self.assertEqual(len(self.tree["/ada"].listing()), 20)

    def test_nothing_is_added_to_a_folder_being_removed(self) -> None:
        for round_number in range(10):
            self.tree.make_folder(f"/ada/f{round_number}")
            transaction.commit()
            path = f"/ada/f{round_number}"

            def work(number: int, path: str = path) -> int:
                if number:
                    return self.send("PUT", f"{path}/{number}", b"x")
                return self.send("DELETE", path)

            statuses = self.together(4, work)
            created, removed = statuses.count(201), statuses.count(204)
            self.assertEqual(created + removed + statuses.count(409), 4, statuses)
            subtree = Library().tree.subtree("naming")
            held = sum(1 for _hold in subtree.holds)
            listed = 0 if removed else len(self.tree[path].listing())
            self.assertEqual((held, len(subtree.entries)), (listed, listed))
            self.assertTrue(created == 0 if removed else created == listed, statuses)
            if not removed:
                self.tree.remove(path, recursive=True)
                transaction.commit()

    def test_a_folder_is_not_removed_that_gets_an_entry_meanwhile(self) -> None:
        for number, below in ((0, ""), (2, ""), (100, ""), (2, "/1")):
            path = f"/ada/f{number}{below.replace('/', '-')}"
            self.tree.make_folder(path)
            for each in range(number):
                self.tree.make_folder(f"{path}/{each}")
            transaction.commit()
            self.tree.remove(path, recursive=True)
            put = partial(self.send, "PUT", f"{path}{below}/new", b"x")
            self.assertEqual(elsewhere(put), 201)
            with self.subTest(path), self.assertRaises(ConflictError):
                transaction.commit()
            transaction.abort()

    def test_nothing_is_put_into_a_folder_that_is_removed_meanwhile(self) -> None:
        self.tree.make_folder("/ada/f")
        transaction.commit()
        self.tree.make_folder("/ada/f/new")
        self.assertEqual(elsewhere(partial(self.send, "DELETE", "/ada/f")), 204)
        with self.assertRaises(ConflictError):
            transaction.commit()
        transaction.abort()

    def test_two_moves_make_no_cycle(self) -> None:
        for round_number in range(10):
            one, two = f"/ada/a{round_number}", f"/ada/b{round_number}"
            self.tree.make_folder(one)
            self.tree.make_folder(two)
            transaction.commit()
            form = {"Content_Type": "application/x-www-form-urlencoded"}

            def work(number: int, pair: tuple[str, str] = (one, two), form: Any = form) -> int:
                source, target = pair if number else pair[::-1]
                return self.send("POST", source, f"move_to={target}/inner".encode(), **form)

            statuses = self.together(2, work)
            self.assertEqual(statuses.count(201), 1, statuses)
            names = {each.name for each in self.tree["/ada"].listing()}
            self.assertEqual(len(names & {one[5:], two[5:]}), 1)
