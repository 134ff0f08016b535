"""The lists and the search, asked as different people."""

import unittest
from datetime import timedelta
from io import BytesIO
from itertools import chain
from typing import Any

import transaction
from zope.component import getUtility
from zope.security.interfaces import Unauthorized

from librarian.library.catalogue.interfaces import BadListing, ICatalogue, Listing, Question
from librarian.library.interfaces import NEVER_EXPIRES, ILibraryFileAliasSet
from librarian.people.credentials.person_principal import PersonPrincipal
from librarian.people.interfaces import ICelebrities, IPersonSet
from librarian.security.interaction import acting_as
from librarian.security.principals import ANONYMOUS
from tests.support.layers import Functional


class Shelf(unittest.TestCase):
    """Amy is an administrator; bob and cat are not."""

    layer = Functional

    def setUp(self) -> None:
        self.world = self.layer.world
        people = getUtility(IPersonSet)
        for name in ("amy", "bob", "cat"):
            people.new(name, name.title(), f"{name}@example.com")
        getUtility(ICelebrities).admins.addMember(people["amy"])
        transaction.commit()
        self.principals = {name: PersonPrincipal(people[name]) for name in ("amy", "bob", "cat")}
        self.catalogue = getUtility(ICatalogue)

    def add(self, owner: str, name: str, data: bytes = b"x", **options: Any) -> Any:
        with acting_as(self.principals[owner]):
            alias = getUtility(ILibraryFileAliasSet).create(
                name, len(data), BytesIO(data), "text/plain", **options
            )
            alias_id = alias.id
        transaction.commit()
        self.world.clock.move(seconds=1)
        return getUtility(ILibraryFileAliasSet)[alias_id]

    def names(self, who: str, **facts: Any) -> list[str]:
        with acting_as(self.principals[who]):
            return [alias.filename for alias in self.catalogue.page(Question(**facts)).files]

    def found(self, who: str, words: str) -> list[tuple[str, str]]:
        with acting_as(self.principals[who]):
            return [(match.alias.filename, match.by) for match in self.catalogue.find(words).matches]


class Lists(Shelf):
    def test_a_file_shows_once_it_is_taken_in(self) -> None:
        self.add("bob", "plan.txt")
        self.assertEqual(self.names("bob", listing=Listing.MINE), [])
        self.assertEqual(self.world.index(), 2)  # as new, and as one of those that were there before
        self.assertEqual(self.names("bob", listing=Listing.MINE), ["plan.txt"])
        self.assertEqual(self.world.index(), 0)

    def test_what_is_whose(self) -> None:
        self.add("bob", "open.txt")
        self.add("bob", "closed.txt", restricted=True)
        self.add("cat", "cat.txt", restricted=True)
        self.world.index()
        self.assertEqual(self.names("bob", listing=Listing.MINE), ["closed.txt", "open.txt"])
        self.assertEqual(self.names("bob"), ["closed.txt", "open.txt"])
        self.assertEqual(self.names("cat"), ["cat.txt", "open.txt"])
        self.assertEqual(self.names("amy"), ["cat.txt", "closed.txt", "open.txt"])
        self.assertEqual(self.names("amy", owner="person:bob"), ["closed.txt", "open.txt"])
        self.assertEqual(self.names("amy", owner="person:bob", space="public"), ["open.txt"])
        with self.assertRaises(BadListing):
            self.names("cat", owner="person:bob")

    def test_orders(self) -> None:
        for name, size in (("b.txt", 2), ("Äpfel.txt", 30), ("C.txt", 1)):
            self.add("bob", name, b"x" * size)
        self.world.index()
        by_name = ["Äpfel.txt", "b.txt", "C.txt"]
        by_size = ["C.txt", "b.txt", "Äpfel.txt"]
        by_date = ["b.txt", "Äpfel.txt", "C.txt"]
        for sort, wanted in (("name", by_name), ("size", by_size), ("added", by_date)):
            self.assertEqual(self.names("bob", sort=sort), wanted)
            self.assertEqual(self.names("bob", sort=f"-{sort}"), wanted[::-1])

    def test_pages_go_on_and_back_without_a_file_left_out_or_shown_twice(self) -> None:
        for number in range(7):
            self.add("bob", f"{number}.txt", restricted=bool(number % 2))
        self.world.index()
        with acting_as(self.principals["bob"]):
            for sort in ("name", "-name", "added"):
                pages, question = [], Question(sort=sort, most=3)
                while True:
                    page = self.catalogue.page(question)
                    pages.append([alias.filename for alias in page.files])
                    if not page.following:
                        break
                    question = question._replace(after=page.following)
                numbers = range(7) if sort != "-name" else range(6, -1, -1)
                self.assertEqual(list(chain(*pages)), [f"{number}.txt" for number in numbers])
                back = self.catalogue.page(Question(sort=sort, most=3, before=page.previous))
                self.assertEqual([alias.filename for alias in back.files], pages[1])
                self.assertTrue(back.following)
                first = self.catalogue.page(Question(sort=sort, most=3, before=back.previous))
                self.assertEqual([alias.filename for alias in first.files], pages[0])
                self.assertEqual(first.previous, "")

    def test_deleted_expiring_and_held(self) -> None:
        soon = self.world.clock.now() + timedelta(days=2)
        self.add("bob", "later.txt", expires=soon + timedelta(days=9))
        self.add("bob", "soon.txt", expires=soon)
        self.add("bob", "ever.txt", expires=NEVER_EXPIRES)
        gone = self.add("bob", "gone.txt")
        held = self.add("bob", "held.txt")
        gone.delete()
        held.hold("the audit")
        transaction.commit()
        self.world.index()
        self.assertEqual(self.names("cat", listing=Listing.EXPIRING), ["soon.txt", "later.txt"])
        self.assertEqual(self.names("cat", listing=Listing.HELD), ["held.txt"])
        self.assertEqual(self.names("bob", listing=Listing.DELETED), ["gone.txt"])
        self.assertEqual(self.names("amy", listing=Listing.DELETED), ["gone.txt"])
        self.assertEqual(self.names("cat", listing=Listing.DELETED), [])
        self.assertNotIn("gone.txt", self.names("bob"))
        gone.undelete()
        held.release("the audit")
        transaction.commit()
        self.world.index()
        self.assertEqual(self.names("bob", listing=Listing.DELETED), [])
        self.assertEqual(self.names("bob", listing=Listing.HELD), [])
        self.assertIn("gone.txt", self.names("bob"))

    def test_a_page_asks_for_what_the_file_is_now(self) -> None:
        """The catalogue is a second behind: what was deleted since is not listed."""
        alias = self.add("bob", "plan.txt")
        self.world.index()
        alias.delete()
        transaction.commit()
        self.assertEqual(self.names("bob"), [])
        self.assertEqual(self.found("bob", "plan"), [])

    def test_positions_and_orders_that_are_none(self) -> None:
        for facts in (
            {"after": "%"},
            {"after": "YQ"},
            {"before": "x" * 400},
            {"sort": "date"},
            {"sort": "--name"},
            {"most": 0},
            {"most": 501},
            {"space": "secret"},
            {"listing": Listing.HELD, "sort": "name"},
        ):
            with self.assertRaises(BadListing, msg=str(facts)):
                self.names("bob", **facts)

    def test_a_stranger_has_no_list(self) -> None:
        with acting_as(ANONYMOUS), self.assertRaises(Unauthorized):
            self.catalogue.page(Question())


class Search(Shelf):
    def test_by_words(self) -> None:
        self.add("bob", "Q3_Report (final).pdf")
        self.add("bob", "report-reporting.txt")
        self.add("cat", "reports.txt", restricted=True)
        self.add("bob", "Résumé.txt")
        self.world.index()
        reports = [("Q3_Report (final).pdf", "name"), ("report-reporting.txt", "name")]
        self.assertEqual(sorted(self.found("bob", "rep")), reports)
        self.assertEqual(self.found("bob", "REPORT fin"), reports[:1])
        self.assertEqual(self.found("cat", "reports"), [("reports.txt", "name")])
        self.assertEqual(len(self.found("amy", "rep")), 3)
        self.assertEqual(self.found("bob", "resume"), [("Résumé.txt", "name")])
        self.assertEqual(self.found("bob", "eport"), [])
        self.assertEqual(self.found("bob", "  "), [])

    def test_by_id_and_digests(self) -> None:
        alias = self.add("bob", "plan.txt", b"the plan", restricted=True)
        self.world.index()
        content = alias.content
        self.assertEqual(self.found("bob", str(alias.id)), [("plan.txt", "id")])
        for name in ("md5", "sha1", "sha256"):
            digest = getattr(content, name)
            for stated in (digest, digest.upper(), digest[:8], digest[:9]):
                self.assertEqual(self.found("bob", stated), [("plan.txt", name)], (name, stated))
            self.assertEqual(self.found("bob", digest[:7]), [])
            self.assertEqual(self.found("cat", digest), [])

    def test_a_page_of_words_goes_on(self) -> None:
        for number in range(5):
            self.add("bob", f"part {number} of parts.txt")
        self.world.index()
        with acting_as(self.principals["bob"]):
            found, after = [], ""
            while True:
                page = self.catalogue.find("part", 2, after)
                found += [match.alias.filename for match in page.matches]
                after = page.following
                if not after:
                    break
        self.assertEqual(sorted(found), [f"part {number} of parts.txt" for number in range(5)])

    def test_a_stranger_asks_by_id_and_whole_digest_only(self) -> None:
        alias = self.add("bob", "plan.txt", b"the plan")
        secret = self.add("bob", "own.txt", b"secret", restricted=True)
        self.world.index()
        digest, other = alias.content.sha256, secret.content.sha256
        with acting_as(ANONYMOUS):
            found = [self.catalogue.find_exactly(one).matches for one in (digest, str(alias.id), digest[:8])]
            self.assertEqual([len(each) for each in found], [1, 1, 0])
            self.assertEqual(self.catalogue.find_exactly(other).matches, [])
            with self.assertRaises(Unauthorized):
                self.catalogue.find("plan")
