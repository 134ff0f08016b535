"""Adding files through components: savepoints, threads, ids, and what is written to the log."""

import pickle
import unittest
from functools import partial
from io import BytesIO
from typing import Any

import transaction
from zope.component import getUtility
from zope.security.proxy import removeSecurityProxy

from librarian.library import open_library
from librarian.library.interfaces import (
    ILibrarianClient,
    ILibraryFileAliasSet,
    IRestrictedLibrarianClient,
    NotStored,
    UploadFailed,
)
from librarian.library.model.subtree import ID_LIMIT, LibrarySubtree
from librarian.security.interfaces import NoActingPrincipal
from tests.support.layers import Functional
from tests.support.threads import elsewhere

LOGGER = "librarian.library.operations"


class Adding(unittest.TestCase):
    layer = Functional

    def setUp(self) -> None:
        self.aliases = getUtility(ILibraryFileAliasSet)

    def create(self, name: str = "a.txt", data: bytes = b"data", **options: Any) -> Any:
        return self.aliases.create(name, len(data), BytesIO(data), "text/plain", **options)

    def test_a_savepoint_is_no_commit(self) -> None:
        alias = self.create()
        savepoint = transaction.savepoint()
        self.assertRaises(NotStored, alias.open)
        self.assertRaises(NotStored, self.aliases[alias.id].read)
        later = self.create("b.txt")
        savepoint.rollback()
        self.assertRaises(LookupError, lambda: self.aliases[later.id])
        transaction.commit()
        self.assertEqual(alias.read(), b"data")

    def test_an_aborted_alias_cannot_be_opened_either(self) -> None:
        alias = self.create()
        transaction.abort()
        self.assertRaises(LookupError, alias.open)

    def test_a_debug_id_is_in_the_log_beside_the_id(self) -> None:
        clients = {False: getUtility(ILibrarianClient), True: getUtility(IRestrictedLibrarianClient)}
        with self.assertLogs(LOGGER, "INFO") as caught:
            alias = self.create(debugID="build-17")
            added = [
                client.addFile("a.txt", 1, BytesIO(b"a"), "text/plain", debugID=f"oops-{restricted}")
                for restricted, client in clients.items()
            ]
        for line, alias_id, debug_id in zip(
            caught.output, [alias.id, *added], ["build-17", "oops-False", "oops-True"], strict=True
        ):
            self.assertIn(f"alias={alias_id} ", line)
            self.assertIn(f"debug_id={debug_id}", line)

    def test_an_empty_file_needs_allow_zero_length(self) -> None:
        for restricted in (False, True):
            self.assertRaises(UploadFailed, self.create, data=b"", restricted=restricted)
            alias = self.create(data=b"", restricted=restricted, allow_zero_length=True)
            transaction.commit()
            self.assertEqual((alias.content.filesize, alias.read()), (0, b""))
        with self.assertRaises(UploadFailed):
            self.aliases.create("a", -1, BytesIO(b""), "text/plain", allow_zero_length=True)

    def test_size_zero_for_a_file_with_bytes(self) -> None:
        with self.assertRaisesRegex(AssertionError, "size is 0"):
            self.aliases.create("a", 0, BytesIO(b"hello"), "text/plain", allow_zero_length=True)

    def test_a_thread_needs_an_interaction(self) -> None:
        alias = self.create()
        transaction.commit()
        # Asked for in the thread: a method that was looked up before has been checked before.
        for name in ("filename", "open", "read", "close"):
            self.assertRaises(NoActingPrincipal, elsewhere, partial(getattr, alias, name))

        def properly() -> bytes:
            with open_library() as library:
                data: bytes = library[alias.id].read()
                return data

        self.assertEqual(elsewhere(properly), b"data")

    def test_a_bound_alias_cannot_be_stored(self) -> None:
        alias = removeSecurityProxy(self.create())
        self.assertRaises(pickle.PicklingError, pickle.dumps, alias)


class Ids(unittest.TestCase):
    """Exact in JSON and JavaScript, never nought, never one that is there."""

    def test_the_smallest_and_the_largest(self) -> None:
        asked: list[int] = []

        def least(bound: int) -> int:
            asked.append(bound)
            return 0

        subtree = LibrarySubtree()
        self.assertEqual(subtree.new_id(least), 1)
        self.assertEqual(subtree.new_id(lambda bound: bound - 1), ID_LIMIT - 1)
        self.assertEqual((ID_LIMIT, asked), (2**53, [2**53 - 1]))

    def test_an_id_in_use_is_not_given_again(self) -> None:
        subtree = LibrarySubtree()
        subtree.aliases[7] = "taken"
        drawn = iter([6, 6, 8])
        self.assertEqual(subtree.new_id(lambda bound: next(drawn)), 9)
