"""Secrets are not in the repr of objects, which errors, logs and debuggers show."""

import pickle
import unittest
from io import BytesIO
from typing import Any

import transaction
from zope.component import getUtility
from zope.security.interfaces import Unauthorized
from zope.security.proxy import removeSecurityProxy

from librarian.library.interfaces import ILibraryFileAliasSet
from librarian.naming.interfaces import INamedTree
from librarian.security.interaction import acting_as
from librarian.security.principals import ANONYMOUS, SYSTEM
from tests.support.layers import Functional

NAME = "takeover-plan.txt"


class Shown(unittest.TestCase):
    layer = Functional

    def setUp(self) -> None:
        with acting_as(SYSTEM):
            aliases, tree = getUtility(ILibraryFileAliasSet), getUtility(INamedTree)
            made = aliases.create(NAME, 3, BytesIO(b"abc"), "text/plain", restricted=True)
            self.alias = getUtility(ILibraryFileAliasSet)[made.id]
            self.folder = tree.make_folder("/takeover-plans", restricted=True)
            self.entry = tree.put(f"/takeover-plans/{NAME}", made)
        transaction.commit()

    def texts(self, thing: Any) -> list[str]:
        """All that an object without permissions tells of itself, and all errors that it raises."""
        found = [repr(thing), str(thing), f"{thing!r}", f"{thing}", repr([thing])]
        for attempt in (
            lambda: thing.filename,
            lambda: thing.versions,
            lambda: thing.listing,
            lambda: thing.no_such_thing,
            lambda: setattr(thing, "x", 1),
            lambda: pickle.dumps(thing),
            lambda: pickle.dumps(removeSecurityProxy(thing)),
            lambda: len(thing),
            lambda: thing + 1,
        ):
            try:
                attempt()
            except Exception as error:  # noqa: BLE001  # whatever it is, its text counts
                found += [str(error), repr(error), repr(error.args)]
        return found

    def test_nothing_tells_the_name_of_what_is_restricted(self) -> None:
        with acting_as(ANONYMOUS):
            for thing in (self.alias, self.folder, self.entry):
                for text in self.texts(thing):
                    self.assertNotIn("takeover", text)

    def test_an_id_is_shown(self) -> None:
        with acting_as(ANONYMOUS):
            self.assertEqual(repr(self.alias), f"<LibraryFileAlias {self.alias.id}>")
            with self.assertRaises(Unauthorized) as caught:
                self.alias.filename  # noqa: B018  # raises
        self.assertIn(f"<LibraryFileAlias {self.alias.id}>", str(caught.exception))
