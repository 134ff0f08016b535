"""Upload links, request by request: what is taken, what is refused, and what is left afterwards."""

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import transaction
from bs4 import BeautifulSoup
from zope.component import getUtility
from zope.security.interfaces import Unauthorized
from zope.security.proxy import removeSecurityProxy

from librarian.library.drops.interfaces import BadUploadLink, IUploadLinks, NoSuchUploadLink
from librarian.library.interfaces import NEVER_EXPIRES, ILibraryFileAliasSet, InvalidFilename
from librarian.library.operations import Library
from librarian.library.upkeep.garbage.collector import GarbageCollector
from librarian.naming.interfaces import INamedTree, NoSuchFolder, NotRestricted
from librarian.people.credentials.person_principal import PersonPrincipal
from librarian.people.interfaces import IPersonSet
from librarian.security.interaction import acting_as
from librarian.security.principals import ANONYMOUS
from librarian.web.access_log.masking import masked
from tests.library.test_events import announced
from tests.support.servers.in_process import request
from tests.web.support import APP, PeopleInTheWorld

GOOD = "seven green bottles"


class DropsTestCase(PeopleInTheWorld):
    def acting(self, name: str) -> Any:
        return acting_as(PersonPrincipal(removeSecurityProxy(getUtility(IPersonSet))[name]))

    def link(self, by: str = "bob", **terms: Any) -> str:
        """The URL of a new link."""
        with self.acting(by):
            url: str = getUtility(ILibraryFileAliasSet).createUploadToken(**terms)
        transaction.begin()  # to see what was committed beside this thread's transaction
        return url

    def put(self, url: str, body: bytes = b"one two", status: int = 201, **headers: str) -> Any:
        named = {key.replace("_", "-"): value for key, value in headers.items()}
        answer = request("PUT", url, named, body)
        self.assertEqual(answer.status_int, status, answer.text)
        return answer

    def form(self, url: str, name: str = "a.txt", data: bytes = b"one two", status: int = 201) -> Any:
        body = (
            (
                f'--x\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n'
                "Content-Type: application/octet-stream\r\n\r\n"
            ).encode()
            + data
            + b"\r\n--x--\r\n"
        )
        headers = {"Content-Type": "multipart/form-data; boundary=x", "Accept": "text/html"}
        answer = request("POST", url, headers, body)
        self.assertEqual(answer.status_int, status, answer.text)
        return answer

    def files(self) -> list[Any]:
        transaction.begin()
        return list(self.world.tree.subtree("library").aliases.values())

    def held(self) -> list[str]:
        return list(self.world.store)

    def uses(self) -> list[int]:
        transaction.begin()
        return [link.uses for link in self.world.tree.subtree("upload links").links.values()]


class Taking(DropsTestCase):
    def test_what_comes_is_as_the_link_says(self) -> None:
        url = self.link(keep=timedelta(days=30))
        told = self.put(f"{url}/a.txt").json
        self.assertEqual((told["filename"], told["size"]), ("a.txt", 7))
        [file] = self.files()
        found = file.filename, file.mimetype, file.owner, file.restricted, file.content.sha256
        self.assertEqual(found, ("a.txt", "text/plain", "person:bob", True, told["sha256"]))
        self.assertEqual(file.expires, self.world.clock.now() + timedelta(days=30))

    def test_what_comes_is_announced(self) -> None:
        url = self.link()
        with announced() as found:
            self.put(f"{url}/a.txt")
        added, received = found
        self.assertEqual((added.kind, received.kind), ("file.added", "upload.received"))
        transaction.begin()
        [link] = self.world.tree.subtree("upload links").links.values()
        self.assertEqual((received.data["link"], received.owner), (link.id, "person:bob"))

    def test_public_under_a_fixed_name_and_for_ever(self) -> None:
        url = self.link(filename="report.pdf", restricted=False)
        self.put(f"{url}/other.pdf", status=400)
        self.put(url)
        [file] = self.files()
        found = file.filename, file.mimetype, file.restricted, file.expires
        self.assertEqual(found, ("report.pdf", "application/pdf", False, NEVER_EXPIRES))

    def test_a_form_without_javascript(self) -> None:
        url = self.link(wanted="Your <b>logs</b>", max_size=100, media_types=("text/*",))
        page = request("GET", url, {"Accept": "text/html"})
        self.assertIn("Your &lt;b&gt;logs&lt;/b&gt;", page.text)
        self.assertIn("100 Bytes", page.text)
        self.assertEqual(page.headers["Referrer-Policy"], "same-origin")
        self.assertIn("frame-ancestors 'none'", page.headers["Content-Security-Policy"])
        self.assertNotIn("sandbox", page.headers["Content-Security-Policy"])
        answer = self.form(url, "C:\\logs\\a.txt")
        self.assertIn("Thank you", answer.text)
        self.assertEqual([file.filename for file in self.files()], ["a.txt"])

    def test_the_page_says_how_many_files_and_until_when(self) -> None:
        for uses, several, said in (
            (1, False, "takes one file, and expires in 7 days."),
            (3, True, "takes 3 files, and expires in 7 days."),
            (None, True, "takes any number of files, and expires in 7 days."),
        ):
            page: Any = BeautifulSoup(
                request("GET", self.link(max_uses=uses, max_size=100), {"Accept": "text/html"}).text,
                "html.parser",
            )
            self.assertEqual(
                (page.form.has_attr("data-several"), page.form["data-max-size"]), (several, "100")
            )
            self.assertIn(said, page.find_all("li")[-1].text)
            self.assertIn("UTC", page.find("time")["title"])

    def test_another_file_by_the_same_link(self) -> None:
        url = self.link(max_uses=2)
        self.assertIn(f'<a href="{urlsplit(url).path}">Send another file</a>', self.form(url).text)
        self.assertNotIn("another file", self.form(url, data=b"three").text)

    def test_a_form_with_a_fixed_name(self) -> None:
        self.form(self.link(filename="wanted.txt"), "mine.txt")
        self.assertEqual([file.filename for file in self.files()], ["wanted.txt"])

    def test_a_program_asks_what_is_wanted(self) -> None:
        told = request("GET", self.link(max_size=7), {"Accept": "application/json"}).json
        self.assertEqual((told["max_size"], told["filename"], told["media_types"]), (7, None, []))

    def test_into_a_folder_where_nothing_is_replaced(self) -> None:
        with self.acting("amy"):
            getUtility(INamedTree).make_folder("/in", owner=getUtility(IPersonSet)["bob"])
            transaction.commit()
        url = self.link(folder="/in", max_uses=None)
        for _each in range(3):
            self.put(f"{url}/a.tar.gz")
        transaction.begin()
        with self.acting("amy"):
            names = [entry.name for entry in getUtility(INamedTree).folder("/in").listing()]
        self.assertEqual(names, ["a.tar-2.gz", "a.tar-3.gz", "a.tar.gz"])
        self.assertEqual({file.expires for file in self.files()}, {None})

    def test_a_folder_that_the_maker_may_no_longer_change(self) -> None:
        with self.acting("amy"):
            getUtility(INamedTree).make_folder("/in", owner=getUtility(IPersonSet)["bob"])
            transaction.commit()
        url = self.link(folder="/in")
        with self.acting("amy"):
            getUtility(INamedTree).remove("/in")
            getUtility(INamedTree).make_folder("/in", owner=getUtility(IPersonSet)["amy"])
            transaction.commit()
        answer = request("PUT", f"{url}/a.txt", {}, b"one")
        self.assertGreaterEqual(answer.status_int, 400)
        self.assertEqual((self.files(), self.uses()), ([], [0]))


class Refusing(DropsTestCase):
    def same(self, *urls: str) -> None:
        """All are the same 404, whatever is asked."""
        for url in urls:
            for method in ("GET", "PUT", "POST"):
                answer = request(method, url, {}, b"" if method == "GET" else b"one")
                self.assertEqual((answer.status_int, answer.json["error"]), (404, "Not Found"), url)

    def test_what_is_no_link(self) -> None:
        url = self.link()
        base = url.rpartition("/")[0]
        self.same(f"{base}/{'x' * 32}", f"{base}/", base, f"{url[:-1]}", f"{url}x", f"{url}/a/b")
        self.same(url.replace("8000", "8005"), url.replace("+drop", "+drops"))
        self.put(f"{url}/a.txt")

    def test_used_up_expired_revoked_and_of_a_disabled_person(self) -> None:
        used, expired, revoked, disabled = (self.link() for _each in range(4))
        self.put(f"{used}/a.txt")
        transaction.begin()
        with self.acting("bob"):
            *_others, mine = [link.id for link in getUtility(IUploadLinks)]
            found = [link.id for link in getUtility(IUploadLinks) if link.uses == 0]
            self.assertEqual(len(found), 3)
        with self.acting("cat"):
            self.assertEqual([link.id for link in getUtility(IUploadLinks)], [])
            self.assertRaises(NoSuchUploadLink, getUtility(IUploadLinks).revoke, mine)
        with self.acting("amy"):
            for each in found:
                getUtility(IUploadLinks).revoke(each)
            transaction.commit()
        self.same(used, revoked)
        again = self.link()
        removeSecurityProxy(getUtility(IPersonSet))["bob"].active = False
        transaction.commit()
        self.same(again, disabled)
        old = self.link("cat", lifetime=timedelta(hours=1))
        self.world.clock.move(hours=1)
        self.same(old, expired)
        self.assertEqual(len(self.files()), 1)

    def test_a_node_whose_clock_is_a_little_behind_takes_files_at_once(self) -> None:
        link = self.link()
        self.world.clock.move(seconds=-11)
        self.same(link)
        self.world.clock.move(seconds=2)
        self.put(f"{link}/a.txt")

    def test_the_collector_forgets_what_has_expired(self) -> None:
        short = self.link(lifetime=timedelta(hours=1))
        long = self.link("cat", lifetime=timedelta(days=2))
        self.world.clock.move(hours=1)
        dry = GarbageCollector(Library(), dry_run=True).run(("tokens",))
        self.assertEqual((dry.done, len(self.uses())), ({"tokens": {"forgotten": 1}}, 2))
        self.assertEqual(GarbageCollector(Library()).run(("tokens",)).done, {"tokens": {"forgotten": 1}})
        self.same(short)
        transaction.begin()
        with self.acting("bob"):
            self.assertEqual([link.id for link in getUtility(IUploadLinks)], [])
        with self.acting("amy"):
            self.assertEqual([link.owner for link in getUtility(IUploadLinks)], ["person:cat"])
        self.put(f"{long}/a.txt")

    def test_too_large(self) -> None:
        url = self.link(max_size=6)
        self.assertIn("at most 6 bytes", self.put(f"{url}/a.txt", status=413).json["error"])
        self.form(url, status=413)
        self.form(url, data=b"x" * 100_000, status=413)
        self.assertEqual((self.files(), self.held(), self.uses()), ([], [], [0]))
        self.put(f"{url}/a.txt", b"one tw")

    def test_more_than_its_maker_may_have(self) -> None:
        url = self.link()
        Library().quotas.set_limits(removeSecurityProxy(getUtility(IPersonSet))["bob"], {"bytes": 6})
        transaction.commit()
        for answer in (self.put(f"{url}/a.txt", status=413), self.form(url, status=413)):
            self.assertIn("no room for this file", answer.text)
            self.assertNotIn("bob", answer.text)
        fields = {"Tus-Resumable": "1.0.0", "Upload-Length": "7", "Upload-Metadata": "filename YQ=="}
        self.assertEqual(request("POST", f"{url}/+uploads", fields).status_int, 413)
        self.assertEqual((self.files(), self.uses()), ([], [0]))
        self.put(f"{url}/a.txt", b"one tw")

    def test_another_type(self) -> None:
        url = self.link(media_types=("image/*", "text/csv"))
        for name in ("a.txt", "a.html", "a"):
            self.put(f"{url}/{name}", status=415)
            self.form(url, name, status=415)
        self.put(f"{url}/a.png", status=415, Content_Type="imagery/png")
        self.assertEqual((self.files(), self.held()), ([], []))
        self.put(f"{url}/a.csv", Content_Type="TEXT/CSV; charset=utf-8")

    def test_names(self) -> None:
        url = self.link()
        for name in ("..", "a%2Fb", "%2e%2e", "a%00b", "a%0Ab", "x" * 256, "%2E%2E%2Fetc"):
            answer = request("PUT", f"{url}/{name}", {}, b"one")
            self.assertIn(answer.status_int, (400, 404), name)
        self.put(url, status=400)
        self.assertEqual((self.files(), self.uses()), ([], [0]))

    def test_a_use_that_fails_is_given_back(self) -> None:
        url = self.link()
        self.put(
            f"{url}/a.txt", status=400, Repr_Digest="sha-256=:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=:"
        )
        self.put(f"{url}/a.txt", b"", status=400)
        self.put(f"{url}/a.txt", status=400, Upload_Complete="?0")
        self.assertEqual((self.files(), self.held(), self.uses()), ([], [], [0]))
        self.put(f"{url}/a.txt")
        self.put(f"{url}/a.txt", status=404)

    def test_links_that_cannot_be(self) -> None:
        for terms in (
            {"max_size": 0},
            {"max_uses": 0},
            {"lifetime": timedelta(0)},
            {"lifetime": timedelta(days=91)},
            {"keep": timedelta(0)},
        ):
            self.assertRaises(BadUploadLink, self.link, **terms)
        with self.assertRaisesRegex(BadUploadLink, "is more than 0 and at most 90 days$"):
            self.link(lifetime=timedelta(days=91))
        self.assertRaises(InvalidFilename, self.link, filename="a/b")
        self.assertRaises(NoSuchFolder, self.link, folder="/nowhere")
        with self.acting("amy"):
            getUtility(INamedTree).make_folder("/secret", restricted=True)
            getUtility(INamedTree).make_folder("/amys", owner=getUtility(IPersonSet)["amy"])
            transaction.commit()
        self.assertRaises(NotRestricted, self.link, "amy", folder="/secret", restricted=False)
        self.assertRaises(Unauthorized, self.link, folder="/amys")
        with acting_as(ANONYMOUS):
            self.assertRaises(Unauthorized, getattr, getUtility(ILibraryFileAliasSet), "createUploadToken")

    def test_the_secret_is_neither_stored_nor_logged(self) -> None:
        url = self.link()
        secret = url.rpartition("/")[2]
        [link] = self.world.tree.subtree("upload links").links.values()
        self.assertNotIn(secret, repr(vars(link)))
        for spelled in ("+drop/", "%2Bdrop/", "%2bdr%6Fp//", "+drop/./", "x/../+drop/", "%252Bdrop%2F"):
            self.assertNotIn(secret, masked(f"/{spelled}{secret}/a.txt?x=1"), spelled)
        self.assertEqual(masked("/+drop/"), "/+drop/")


class Racing(DropsTestCase):
    def test_as_many_files_as_there_are_uses(self) -> None:
        url = self.link(max_uses=7)

        def send(number: int) -> int:
            status: int = request("PUT", f"{url}/{number}.txt", {}, b"%d" % number).status_int
            return status

        with ThreadPoolExecutor(20) as executor:
            statuses = sorted(executor.map(send, range(100)))
        self.assertEqual(statuses, [201] * 7 + [404] * 93)
        self.assertEqual((len(self.files()), self.uses()), (7, [7]))


class Managing(DropsTestCase):
    def ask(self, method: str, name: str, at: str = "/+upload-links", **fields: Any) -> Any:
        headers = {"Authorization": self.basic(name, GOOD), "Content-Type": "application/json"}
        return request(method, f"{APP}{at}", headers, json.dumps(fields).encode() if fields else b"")

    def test_made_listed_and_revoked(self) -> None:
        made = self.ask("POST", "bob", max_size="1kB", media_types="text/plain, image/*", uses=2, keep="7d")
        self.assertEqual(made.status_int, 201, made.text)
        url = made.json["url"]
        [link] = self.ask("GET", "bob").json["links"]
        found = link["max_size"], link["media_types"], link["max_uses"], link["restricted"], link["keep"]
        self.assertEqual(found, (1000, ["text/plain", "image/*"], 2, True, 7 * 86400))
        self.assertNotIn(url.rpartition("/")[2], str(link))
        self.assertEqual(self.ask("GET", "cat").json["links"], [])
        self.assertEqual(self.ask("POST", "cat", revoke=link["id"]).status_int, 404)
        self.assertEqual(self.ask("GET", "amy").json["links"], [link])
        self.assertEqual(self.ask("POST", "amy", revoke=link["id"]).json, {"revoked": True})
        self.put(f"{url}/a.txt", status=404)

    def test_listed_page_by_page(self) -> None:
        for number in range(3):
            for name in ("bob", "cat"):
                self.link(by=name, wanted=f"{name} {number}")
            self.world.clock.move(minutes=1)

        def pages(who: str, address: str | None) -> list[list[str]]:
            found = []
            while address:
                answer = self.ask("GET", who, at=address).json
                found.append([link["wanted"] for link in answer["links"]])
                address = answer["next"]
            return found

        self.assertEqual(pages("bob", "/+upload-links?size=2"), [["bob 0", "bob 1"], ["bob 2"]])
        bobs, cats = ([f"{name} {number}" for number in range(3)] for name in ("bob", "cat"))
        self.assertEqual(pages("amy", "/+upload-links?size=4"), [[*bobs, cats[0]], cats[1:]])
        self.assertEqual(pages("amy", "/+upload-links?size=3"), [bobs, cats])
        self.assertEqual(pages("cat", "/+upload-links"), [cats])
        first = self.ask("GET", "bob", at="/+upload-links?size=2").json
        self.ask("POST", "bob", revoke=first["links"][1]["id"])
        self.assertEqual(pages("bob", first["next"]), [bobs[2:]])
        self.assertEqual(pages("cat", first["next"]), [cats[:2], cats[2:]])

    def test_pages_that_are_none(self) -> None:
        for query in ("size=0", "size=501", "size=x", "after=x", "after=~~", "after=2026-03-01~x~person:bob"):
            answer = self.ask("GET", "bob", at=f"/+upload-links?{query}")
            self.assertEqual(answer.status_int, 400, query)

    def test_revoked_by_an_id_that_is_none(self) -> None:
        self.link()
        for link_id in ("", "x", "0" * 16, "00", "ü"):
            self.assertEqual(self.ask("POST", "bob", revoke=link_id).status_int, 404, link_id)

    def test_a_form_that_revokes_has_no_other_fields(self) -> None:
        """They would be ignored: what was meant, a new link or one less, is not known."""
        url = self.link()
        [link] = self.ask("GET", "bob").json["links"]
        for fields in ({"uses": 3}, {"wanted": ""}, {"nonsense": "x"}):
            answer = self.ask("POST", "bob", revoke=link["id"], **fields)
            self.assertEqual(answer.status_int, 400, fields)
            self.assertIn(next(iter(fields)), answer.json["error"])
        self.put(f"{url}/a.txt")

    def test_a_form_that_names_a_media_type_in_each_field(self) -> None:
        headers = {
            "Authorization": self.basic("bob", GOOD),
            "Content-Type": "application/x-www-form-urlencoded",
            "Accept": "application/json",
        }
        form = b"media_types=text/plain&media_types=image/*"
        made = request("POST", f"{APP}/+upload-links", headers, form)
        self.assertEqual(made.status_int, 201, made.text)
        [link] = self.ask("GET", "bob").json["links"]
        self.assertEqual(link["media_types"], ["text/plain", "image/*"])

    def test_what_is_wrong_is_told(self) -> None:
        for fields in ({"uses": "0"}, {"size": 5}, {"max_size": "x"}, {"keep": "y"}, {"restricted": "z"}):
            self.assertEqual(self.ask("POST", "bob", **fields).status_int, 400, fields)
        self.assertEqual(request("GET", f"{APP}/+upload-links").status_int, 401)

    def test_the_page(self) -> None:
        self.log_in("bob")
        form = self.bobs.get("/+upload-links").forms[0]
        form["wanted"] = "Your logs"
        self.assertIn("/+drop/", form.submit().text)
        page = self.bobs.get("/+upload-links")
        self.assertIn("Your logs", page.text)
        self.assertIn("Bob", [cell.text for cell in page.html.find_all("td")])
        page.forms[0].submit("revoke").follow().mustcontain("no upload links")
