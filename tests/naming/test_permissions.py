"""Permissions to change nodes, and to see restricted ones."""

from io import BytesIO

import transaction
from zope.component import getUtility
from zope.security.interfaces import Unauthorized

from librarian.library.interfaces import ILibraryFileAliasSet
from librarian.library.operations import Library
from librarian.naming.interfaces import NotRestricted, NotThere
from librarian.security.interaction import acting_as
from tests.naming.support import TreeCase
from tests.support.documents.people import basic, bearer, person


class Permissions(TreeCase):
    def test_permission_to_change(self) -> None:
        bob = bearer(person("bob"), "tree")
        narrow = bearer(self.ada, "upload")
        admin = bearer(person("amy", "admins"), "tree")
        self.put("/ada/file")
        for who, status in ((None, 401), (bob, 403), (narrow, 403), (admin, 200), (self.token, 200)):
            self.assertEqual(self.ask("PUT", "/ada/file", b"y", who).status_int, status)
        for method, path in (("DELETE", "/ada/file"), ("PUT", "/ada/f/"), ("PUT", "/ada/x?parents=true")):
            self.assertEqual(self.ask(method, path, b"", bob).status_int, 403, (method, path))
        move = {"Content_Type": "application/json"}
        tries = ((bob, "/ada/x"), (bob, "/x"), (self.token, "/x"))
        for who, target in tries:
            answer = self.ask("POST", "/ada/file", b'{"move_to": "%s"}' % target.encode(), who, **move)
            self.assertEqual(answer.status_int, 403, target)
        password = basic("ada", "correct horse battery")
        self.assertEqual(self.ask("PUT", "/ada/file", b"y", password).status_int, 200)

    def test_refused_before_the_body_is_kept(self) -> None:
        before = len(list(Library().store))
        self.ask("PUT", "/ada/file", b"not kept", None)
        self.ask("PUT", "/ada/file", b"not kept", If_Match='"x"')
        self.assertEqual(len(list(Library().store)), before)

    def test_an_owner_above_may_change_what_is_below(self) -> None:
        bob = person("bob")
        self.tree.make_folder("/ada/bob", owner=bob.person)
        transaction.commit()
        self.assertEqual(self.ask("PUT", "/ada/bob/x", b"x", bearer(bob, "tree")).status_int, 201)
        self.assertEqual(self.put("/ada/bob/x"), 200)

    def test_permission_to_see_restricted_nodes(self) -> None:
        bob, carl = person("bob"), bearer(person("carl"), "read")
        self.put("/ada/open.txt?restricted=true", b"PLAN")
        self.ask("PUT", "/ada/closed/?restricted=true")
        self.put("/ada/closed/plan.txt", b"PLAN")
        for path in ("/ada/open.txt", "/ada/closed/plan.txt"):
            for query in ("", "?history", "?version=1"):
                for who, status in ((None, 404), (carl, 404), (self.token, 200)):
                    answer = self.ask("GET", path + query, who=who)
                    self.assertEqual(answer.status_int, status, (path, query))
            self.assertEqual(self.ask("GET", path).headers["Cache-Control"], "private, no-store")
        self.assertEqual(self.ask("GET", "/ada/closed", who=carl).status_int, 404)
        self.assertEqual(self.put("/ada/open.txt", b"PLAN 2"), 200)
        self.assertTrue(self.tree["/ada/open.txt"].restricted)
        entry = self.tree["/ada/open.txt"]
        with acting_as(bob):
            self.assertRaises(NotThere, self.tree.__getitem__, "/ada/open.txt")
            self.assertRaises(Unauthorized, getattr, entry, "alias_id")
            self.assertRaises(Unauthorized, getattr, entry, "path")

    def test_restricted_nodes_cannot_be_told_from_missing_ones(self) -> None:
        """By listings of all kinds, their pages and counts; and by any difference to what is not there."""
        for number in range(6):
            self.put(f"/ada/f{number}?restricted={'true' if number % 2 else 'false'}", b"x")
        self.ask("PUT", "/ada/closed/?restricted=true")
        self.put("/ada/closed/plan.txt", b"PLAN")
        carl, seen = bearer(person("carl"), "read", "tree"), ["f0", "f2", "f4"]
        for who in (None, carl):
            self.assertEqual(
                [each["name"] for each in self.ask("GET", "/ada", who=who).json["entries"]], seen
            )
            pages, following = [], "/ada?limit=1"
            while following:
                page = self.ask("GET", following, who=who).json
                pages.append([each["name"] for each in page["entries"]])
                following = page["next"] and page["next"].removeprefix("/tree")
            self.assertEqual(pages, [[name] for name in seen])
            html = self.ask("GET", "/ada", who=who, Accept="text/html").text
            self.assertEqual(html.count("<tr>"), 1 + len(seen))
            for hidden in ("f1", "f3", "closed"):
                self.assertNotIn(hidden, html)
            for method, body in (
                ("GET", b""),
                ("HEAD", b""),
                ("DELETE", b""),
                ("PUT", b"y"),
                ("POST", b"move_to=/x"),
            ):
                for hidden, absent in (
                    ("f1", "g1"),
                    ("closed", "opened"),
                    ("closed/plan.txt", "opened/plan.txt"),
                ):
                    answers = [
                        self.ask(
                            method,
                            f"/ada/{name}",
                            body,
                            who,
                            Content_Type="application/x-www-form-urlencoded",
                        )
                        for name in (hidden, absent)
                    ]
                    with self.subTest(who=who, method=method, hidden=hidden):
                        self.assertEqual(*(answer.status for answer in answers))
                        self.assertEqual(*(answer.text for answer in answers))
        mine = [each["name"] for each in self.ask("GET", "/ada", who=self.token).json["entries"]]
        self.assertEqual(mine, ["closed", *(f"f{number}" for number in range(6))])

    def test_a_restricted_file_cannot_be_put_to_read_it(self) -> None:
        bob = person("bob")
        self.tree.make_folder("/bob", owner=bob.person)
        aliases = getUtility(ILibraryFileAliasSet)
        secret = aliases.create("s", 1, BytesIO(b"x"), "text/plain", restricted=True)
        with acting_as(bob):
            self.assertRaises(Unauthorized, self.tree.put, "/bob/s", secret)
        self.tree.make_folder("/closed", restricted=True)
        public = aliases.create("s", 1, BytesIO(b"x"), "text/plain")
        self.assertRaises(NotRestricted, self.tree.put, "/closed/s", public)
