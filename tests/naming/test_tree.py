"""The named tree: races, refusals, garbage collection, invalid paths."""

import threading
import unittest
from collections.abc import Callable
from io import BytesIO
from typing import Any
from urllib.parse import quote

import transaction
from zope.component import getUtility
from zope.security.interfaces import Unauthorized
from zope.security.proxy import removeSecurityProxy

from librarian.library.interfaces import ILibraryFileAliasSet, NotStored
from librarian.library.operations import Library
from librarian.library.upkeep.garbage.collector import GarbageCollector
from librarian.naming.interfaces import INamedTree, NotRestricted, NotThere, TooDeep
from librarian.naming.model import MAX_DEPTH
from librarian.security.interaction import acting_as
from tests.support.documents.library import delete_content
from tests.support.documents.people import basic, bearer, person
from tests.support.layers import Functional
from tests.support.servers.in_process import browser, request

APP = "http://localhost:6543"


class TreeCase(unittest.TestCase):
    layer = Functional

    def setUp(self) -> None:
        self.tree = getUtility(INamedTree)
        self.ada = person("ada", password="correct horse battery")
        self.token = bearer(self.ada, "tree")
        self.tree.make_folder("/ada", owner=self.ada.person)
        transaction.commit()

    def ask(self, method: str, path: str, body: bytes = b"", who: str | None = "", **headers: str) -> Any:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        if who is not None:
            named["Authorization"] = who or self.token
        answer = request(method, f"{APP}/tree{path}", named, body)
        transaction.abort()  # look at the tree as it is now
        return answer

    def put(self, path: str, body: bytes = b"x", **headers: str) -> int:
        status: int = self.ask("PUT", path, body, **headers).status_int
        return status

    def together(self, number: int, work: Callable[[int], Any]) -> list[Any]:
        """What `work` returns in each of `number` threads that begin at the same moment."""
        barrier, found = threading.Barrier(number), []

        def run(which: int) -> None:
            barrier.wait()
            found.append(work(which))

        threads = [threading.Thread(target=run, args=(which,)) for which in range(number)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        transaction.abort()
        return found

    def send(self, method: str, path: str, body: bytes = b"", **headers: str) -> int:
        """As ask(), from a thread of its own."""
        named = {
            "Authorization": self.token,
            **{key.replace("_", "-"): text for key, text in headers.items()},
        }
        status: int = request(method, f"{APP}/tree{path}", named, body).status_int
        return status


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


class Refusals(TreeCase):
    def test_invalid_paths(self) -> None:
        for name, status in (
            ("%00", 400),
            ("a%0Ab", 400),
            ("x" * 256, 400),
            (quote("é" * 128), 400),
            ("%FF", 400),
            (quote("é" * 127), 201),
            ("%25", 201),
            ("a%20b%3Fc%23d", 201),
            ("@@view", 201),
            ("..%2Fx", 403),
        ):
            self.assertEqual(self.put(f"/ada/{name}"), status, name)
        self.assertEqual(self.ask("GET", "/ada/a%20b%3Fc%23d").status_int, 302)

    def test_paths_where_nothing_can_be_put(self) -> None:
        self.put("/ada/file")
        for path, status in (
            ("/ada/no/file", 409),
            ("/ada/file/below", 409),
            ("/ada/file/", 409),
            ("/ada", 403),
            ("/else", 403),
            ("/else/x", 403),
            ("", 403),
            ("/", 403),
        ):
            self.assertEqual(self.put(path), status, path)
        self.assertEqual(self.put("/ada/no/file?parents=true"), 201)
        self.assertEqual(self.put("/ada/no"), 409)
        self.assertEqual(self.put("/ada/file?parents=perhaps"), 400)

    def test_maximal_depth(self) -> None:
        path = "/ada" + "/x" * (MAX_DEPTH - 2)
        self.assertEqual(self.put(f"{path}/file?parents=true"), 201)
        self.assertEqual(self.put(f"{path}/y/file?parents=true"), 409)
        self.tree.make_folder("/a")
        self.assertRaises(TooDeep, self.tree.move, "/ada", "/a/ada")
        self.assertEqual(self.tree["/ada"].path, "/ada")

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

    def test_malformed_requests(self) -> None:
        self.put("/ada/file")
        for method, path, body, kind in (
            ("POST", "/ada/file", b"", "application/x-www-form-urlencoded"),
            ("POST", "/ada", b"[]", "application/json"),
            ("POST", "/ada", b'{"folder": 7}', "application/json"),
            ("POST", "/ada", b'{"folder": "a/b"}', "application/json"),
            ("GET", "/ada/file?version=0", b"", ""),
            ("GET", "/ada/file?version=x", b"", ""),
            ("GET", "/ada?limit=1001", b"", ""),
            ("GET", "/ada?limit=-1", b"", ""),
            ("DELETE", "/ada/file?recursive=maybe", b"", ""),
            ("PUT", "/ada/empty", b"", ""),
        ):
            answer = self.ask(method, path, body, Content_Type=kind)
            self.assertEqual(answer.status_int, 400, (method, path, body))
        for method, path, status in (
            ("PATCH", "/ada/file", 405),
            ("GET", "/ada/file?version=7", 404),
            ("GET", "/ada/file/", 404),
            ("GET", "/nowhere", 404),
            ("DELETE", "/ada/nothing", 404),
            ("DELETE", "", 403),
        ):
            self.assertEqual(self.ask(method, path).status_int, status, (method, path))

    def test_a_wrong_body_changes_nothing(self) -> None:
        self.put("/ada/file", b"first")
        digest = "sha-256=:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=:"
        self.assertEqual(self.put("/ada/file", b"x", Repr_Digest=digest), 400)
        self.assertEqual(self.put("/ada/file", b"x", Content_Type="nonsense"), 400)
        self.assertEqual(self.put("/ada/file", b"x", Librarian_Expires="soon"), 400)
        self.assertEqual(self.tree["/ada/file"].versions[0].number, 1)

    def test_conditions(self) -> None:
        self.put("/ada/file", b"first")
        tag = self.tree["/ada/file"].etag
        for headers, status in (
            ({"If_Match": '"x"'}, 412),
            ({"If_Match": f"W/{tag}"}, 412),
            ({"If_Match": f'"x", {tag}'}, 200),
            ({"If_Match": "*"}, 200),
            ({"If_None_Match": "*"}, 412),
        ):
            self.assertEqual(self.put("/ada/file", b"first", **headers), status, headers)
        self.assertEqual(self.put("/ada/none", If_Match="*"), 412)
        self.assertEqual(self.ask("DELETE", "/ada/file", If_Match='"x"').status_int, 412)
        self.assertEqual(self.ask("DELETE", "/ada/none", If_Match="*").status_int, 412)
        self.assertEqual(self.ask("DELETE", "/ada/file", If_Match=tag).status_int, 204)


class Keeping(TreeCase):
    def collect(self, days: float) -> None:
        Functional.world.clock.move(days=days)
        for _run in range(2):
            GarbageCollector(Library()).run()
            Functional.world.clock.move(days=8)
        GarbageCollector(Library()).run()
        transaction.abort()

    def test_the_collector_keeps_held_files(self) -> None:
        self.put("/ada/file", b"first")
        self.put("/ada/file", b"second")
        self.put("/ada/gone", b"third")
        gone = self.tree["/ada/gone"].alias_id
        self.ask("DELETE", "/ada/gone")
        self.collect(days=8)
        entry = self.tree["/ada/file"]
        self.assertEqual([entry.alias(number).read() for number in (1, 2)], [b"first", b"second"])
        self.assertNotIn(gone, Library().subtree.aliases)

    def test_a_renamed_file_is_downloaded_under_its_new_name(self) -> None:
        self.put("/ada/old.txt", b"text")
        tag = self.tree["/ada/old.txt"].etag
        body, form = b"move_to=/ada/new.txt", {"Content_Type": "application/x-www-form-urlencoded"}
        moved = self.ask("POST", "/ada/old.txt", body, **form)
        self.assertEqual((moved.status_int, moved.headers["Location"]), (201, f"{APP}/tree/ada/new.txt"))
        self.assertEqual(moved.json["etag"], tag)
        answer = self.ask("GET", "/ada/new.txt")
        self.assertTrue(answer.headers["Location"].endswith("/new.txt"))
        self.collect(days=8)
        self.assertEqual(self.tree["/ada/new.txt"].alias().read(), b"text")
        self.assertEqual(sum(1 for _hold in Library().tree.subtree("naming").holds), 1)

    def test_a_deleted_file_is_gone_and_can_be_replaced_or_moved(self) -> None:
        self.put("/ada/file", b"first")
        delete_content(self.tree["/ada/file"].alias())
        transaction.commit()
        self.assertEqual(self.ask("GET", "/ada/file").status_int, 410)
        self.assertIsNone(self.ask("GET", "/ada/file", Accept="application/json").json["etag"])
        self.assertEqual(self.ask("GET", "/ada").json["entries"][0]["size"], None)
        self.tree.move("/ada/file", "/ada/moved")
        transaction.commit()
        self.assertEqual(self.put("/ada/moved", b"second"), 200)
        alias = self.tree["/ada/moved"].alias()
        delete_content(alias)
        self.assertRaises(NotStored, self.tree.put, "/ada/other", removeSecurityProxy(alias))

    def test_paging_lists_each_name_once(self) -> None:
        folder = self.tree["/ada"]
        for number in range(25):
            folder.make_folder(f"f {number:02}&")
        transaction.commit()
        names, url = [], "/ada?limit=7"
        while url:
            page = self.ask("GET", url).json
            names += [entry["name"] for entry in page["entries"]]
            url = (page["next"] or "").removeprefix("/tree")
        self.assertEqual(names, [f"f {number:02}&" for number in range(25)])

    def test_removing_a_folder_removes_all_below_it(self) -> None:
        for path in ("/ada/f/a/1", "/ada/f/a/2", "/ada/f/b/3"):
            self.put(f"{path}?parents=true")
        self.assertEqual(self.ask("DELETE", "/ada/f").status_int, 409)
        self.assertEqual(self.ask("DELETE", "/ada/f?recursive=true").status_int, 204)
        subtree = Library().tree.subtree("naming")
        self.assertEqual((len(subtree.entries), list(subtree.holds)), (0, []))
        self.assertRaises(NotThere, self.tree.__getitem__, "/ada/f")


class Browser(TreeCase):
    def test_a_folder_as_a_page(self) -> None:
        app = browser()
        page = app.get("/+login")
        page.form["name"], page.form["password"] = "ada", "correct horse battery"
        page.form.submit()
        page = app.get("/tree/ada/")
        upload, make = page.forms[len(page.forms) // 2 - 1], None
        forms = [form for form in page.forms.values() if "file" in form.fields]
        upload = forms[0]
        upload["file"] = ("<b>.txt", b"bold")
        page = upload.submit().follow()
        make = next(form for form in page.forms.values() if "folder" in form.fields)
        make["folder"] = "inner"
        app.get(make.submit().location)
        page = app.get("/tree/ada/")
        cells = [row.td.text.strip() for row in page.html.tbody.find_all("tr")]
        self.assertEqual(cells, ["<b>.txt", "inner/"])
        delete = next(form for form in page.forms.values() if "delete" in form.fields)
        page = delete.submit().follow()
        self.assertEqual([row.td.text.strip() for row in page.html.tbody.find_all("tr")], ["inner/"])

    def test_forms_are_for_those_who_may_change_the_folder(self) -> None:
        page = browser().get("/tree/ada/")
        self.assertEqual([form for form in page.forms.values() if form.method.lower() == "post"], [])
