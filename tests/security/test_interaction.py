"""Who acts: nesting, threads, generators, failures."""

import threading
import unittest
from collections.abc import Iterator

from zope.security.management import endInteraction, newInteraction, queryInteraction

from librarian.security.interaction import Participation, acting_as, current_principal
from librarian.security.principals import ANONYMOUS, SYSTEM, ScriptPrincipal

IMPORTD = ScriptPrincipal("importd", ())


class Acting(unittest.TestCase):
    def tearDown(self) -> None:
        endInteraction()

    def test_without_a_principal_it_is_anonymous(self) -> None:
        self.assertIs(current_principal(), ANONYMOUS)

    def test_it_nests_to_any_depth_and_comes_back_to_the_same_interaction(self) -> None:
        seen = []
        with acting_as(IMPORTD):
            outer = queryInteraction()
            with acting_as(SYSTEM):
                with acting_as(ANONYMOUS):
                    seen.append(current_principal().id)
                seen.append(current_principal().id)
            seen.append(current_principal().id)
            self.assertIs(queryInteraction(), outer)
        self.assertEqual(seen, ["anonymous", "system", "system:importd"])
        self.assertIsNone(queryInteraction())

    def test_an_error_inside_changes_nothing_about_that(self) -> None:
        with acting_as(IMPORTD):
            with self.assertRaises(ZeroDivisionError), acting_as(SYSTEM):
                raise ZeroDivisionError
            self.assertIs(current_principal(), IMPORTD)

    def test_a_foreign_interaction_is_put_back(self) -> None:
        newInteraction(Participation(IMPORTD))
        with acting_as(SYSTEM):
            pass
        self.assertIs(current_principal(), IMPORTD)

    def test_threads_do_not_inherit(self) -> None:
        seen = []
        with acting_as(SYSTEM):
            thread = threading.Thread(target=lambda: seen.append(current_principal()))
            thread.start()
            thread.join()
        self.assertEqual(seen, [ANONYMOUS])

    def test_a_generator_is_checked_against_whoever_consumes_it(self) -> None:
        def principals() -> Iterator[str]:
            yield current_principal().id

        with acting_as(SYSTEM):
            names = principals()
        with acting_as(IMPORTD):
            self.assertEqual(list(names), ["system:importd"])
