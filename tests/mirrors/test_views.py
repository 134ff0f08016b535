"""``/mirrors`` in a browser and from programs: what is shown, done, and refused."""

import json
from io import BytesIO
from typing import Any
from unittest.mock import patch
from urllib.parse import quote
from xml.etree import ElementTree as ET

import transaction
from zope.component import getUtility
from zope.security.proxy import removeSecurityProxy

from librarian.mirrors.enums import MirrorReviewStatus, PackagePublishingPocket, PublicationKind
from librarian.mirrors.model.publications import Publication
from librarian.mirrors.service.bound import BoundDistribution
from librarian.mirrors.views import board
from librarian.people.credentials.service import the_subtree
from librarian.people.interfaces import ICelebrities, IPersonSet
from tests.support.documents.library import country_database
from tests.support.mirrors.sample import add_mirror, add_sample
from tests.support.servers.in_process import browser, request
from tests.web.support import APP, GOOD, HASH, PeopleInTheWorld

_BAD_CHANGES = (
    ({"release": "woody"}, 422),
    ({"main_url": "nonsense"}, 422),
    ({"display_name": 1}, 400),
    ({"release": "hoary", "active": "perhaps"}, 400),
)
UBUNTU = ("ubuntu", 5, 1)
EVIL = '"><script>alert(1)</script>'


class MirrorPages(PeopleInTheWorld):
    """Amy is an administrator, bob owns a mirror, cyd looks after mirrors, dan has no role."""

    def setUp(self) -> None:
        super().setUp()
        people = getUtility(IPersonSet)
        for name in ("cyd", "dan"):
            people.new(name, name.title(), f"{name}@example.com")
            the_subtree().account(name).password_hash = HASH
        getUtility(ICelebrities)["mirror-admins"].addMember(people["cyd"])
        self.ubuntu = add_sample()
        self.mirror = add_mirror(self.ubuntu, people["bob"], "bobs", "http://bobs.example/ubuntu")
        transaction.commit()

    def send(self, method: str, path: str, body: Any = None, who: str | None = None) -> Any:
        headers = {"Content-Type": "application/json"}
        if who:
            headers["Authorization"] = self.basic(who, GOOD)
        raw = b"" if body is None else json.dumps(body).encode()
        answer = request(method, f"{APP}/mirrors{path}", headers, raw)
        transaction.begin()
        return answer

    def status(self, *arguments: Any, **options: Any) -> int:
        return int(self.send(*arguments, **options).status_int)


class Programs(MirrorPages):
    def test_lists_are_public(self) -> None:
        found = self.send("GET", "").json["distributions"]
        self.assertEqual(
            [(each["name"], each["mirrors"], each["official"]) for each in found], [("ubuntu", 5, 1)]
        )
        found = self.send("GET", "/ubuntu").json
        self.assertEqual([release["name"] for release in found["releases"]], ["warty", "hoary"])
        self.assertEqual(found["mirrors"][4]["base_urls"], ["http://bobs.example/ubuntu"])

    def test_one_mirror(self) -> None:
        found = self.send("GET", "/ubuntu/bobs").json
        self.assertEqual((found["owner"], found["country"], found["freshness"]), ("bob", "BR", "UNKNOWN"))
        self.assertEqual((found["troubles"], found["contents"], found["last_probe"]), ([], [], None))

    def test_what_is_not_there(self) -> None:
        for path in (
            "/debian",
            "/ubuntu/no-such-mirror",
            "/ubuntu/bobs/+log/x",
            "/ubuntu/bobs/+log",
            "/ubuntu/+metalink",
        ):
            self.assertEqual(self.status("GET", path), 404, path)

    def test_registering(self) -> None:
        new = {"name": "dans", "country": "BR", "https_base_url": "https://dans.example/", "speed": "s2m"}
        self.assertEqual(self.status("POST", "/ubuntu/+register", new), 401)
        answer = self.send("POST", "/ubuntu/+register", new, "dan")
        self.assertEqual((answer.status_int, answer.json["owner"]), (201, "dan"))
        self.assertEqual(answer.headers["Location"], f"{APP}/mirrors/ubuntu/dans")
        self.assertEqual(answer.json["review_status"], "PENDING_REVIEW")
        for changes, status in (
            ({}, 409),
            ({"name": "other"}, 409),
            ({"name": "Bad Name"}, 422),
            ({"name": "x", "https_base_url": "ftp://x/"}, 422),
            ({"name": "x", "https_base_url": ""}, 422),
            ({"name": "x", "https_base_url": "https://u:p@x/"}, 422),
            ({"name": "x", "https_base_url": "https://y/", "country": "XX"}, 422),
            ({"name": "x", "https_base_url": "https://y/", "country": 7}, 400),
            ({"name": "x", "https_base_url": "https://y/", "speed": "fast"}, 400),
            ({"name": "x", "https_base_url": ["https://y/"]}, 400),
        ):
            self.assertEqual(self.status("POST", "/ubuntu/+register", new | changes, "dan"), status, changes)

    def test_changing_is_for_owners_and_mirror_admins(self) -> None:
        for who, status in ((None, 401), ("dan", 403), ("bob", 200), ("cyd", 200), ("amy", 200)):
            change = {"display_name": f"Changed by {who}"}
            self.assertEqual(self.status("PATCH", "/ubuntu/bobs", change, who), status, who)
        answer = self.send("PATCH", "/ubuntu/bobs", {"http_base_url": "http://new.example/"}, "bob")
        self.assertEqual(answer.json["base_urls"], ["http://new.example/"])
        self.assertEqual(self.send("PATCH", "/ubuntu/bobs", {"enabled": False}, "bob").json["enabled"], False)
        self.assertEqual(self.status("PATCH", "/ubuntu/bobs", {"enabled": "perhaps"}, "bob"), 400)

    def test_review_is_for_mirror_admins(self) -> None:
        for who, status in ((None, 401), ("bob", 403), ("cyd", 200)):
            self.assertEqual(self.status("POST", "/ubuntu/bobs/+review", {"status": "official"}, who), status)
        self.assertTrue(self.mirror.isOfficial())
        self.assertEqual(self.mirror.reviewer.name, "cyd")
        self.assertEqual(self.status("POST", "/ubuntu/bobs/+review", {"status": "perfect"}, "cyd"), 400)
        self.assertEqual(self.status("POST", "/ubuntu/bobs/+review", {}, "cyd"), 400)
        self.assertEqual(self.status("POST", "/ubuntu/bobs/+resubmit", {}, "bob"), 409)
        self.send("POST", "/ubuntu/bobs/+review", {"status": "broken"}, "cyd")
        self.assertEqual(self.status("POST", "/ubuntu/bobs/+resubmit", {}, "dan"), 403)
        answer = self.send("POST", "/ubuntu/bobs/+resubmit", {}, "bob")
        self.assertEqual(answer.json["review_status"], "PENDING_REVIEW")

    def test_distributions_are_added_by_mirror_admins(self) -> None:
        new = {"name": "debian", "display_name": "Debian"}
        self.assertEqual(self.status("POST", "", new, "dan"), 403)
        self.assertEqual(self.status("POST", "", new, "cyd"), 201)
        self.assertEqual(self.status("POST", "", new, "cyd"), 409)

    def test_a_release_that_is_probed_no_more(self) -> None:
        change = {"release": "warty", "active": False}
        for who, status in ((None, 401), ("bob", 403), ("cyd", 200)):
            self.assertEqual(self.status("PATCH", "/ubuntu", change, who), status)
        self.assertEqual([release.active for release in self.ubuntu.releases], [False, True])
        for bad, status in _BAD_CHANGES:
            self.assertEqual(self.status("PATCH", "/ubuntu", bad, "cyd"), status, bad)

    def test_a_new_release(self) -> None:
        self.assertEqual(self.status("PATCH", "/ubuntu", {"new_release": "breezy"}, "bob"), 403)
        found = self.send("PATCH", "/ubuntu", {"new_release": "breezy", "version": "5.10"}, "cyd").json
        self.assertEqual([release["name"] for release in found["releases"]], ["warty", "hoary", "breezy"])
        self.assertEqual(self.status("PATCH", "/ubuntu", {"new_release": "breezy"}, "cyd"), 409)

    def test_display_names(self) -> None:
        for bad in ("", " ", "x" * 201, "a\nb"):
            self.assertEqual(self.status("PATCH", "/ubuntu/bobs", {"display_name": bad}, "bob"), 422, bad)
        self.assertEqual(self.mirror.display_name, "bobs")

    def test_methods(self) -> None:
        self.assertEqual(self.status("DELETE", "/ubuntu/bobs", who="amy"), 405)
        self.assertEqual(self.status("GET", "/ubuntu/bobs/+review", who="amy"), 405)

    def test_logs_need_a_permission(self) -> None:
        record = self.mirror.newProbeRecord(BytesIO(b"what was asked"))
        transaction.commit()
        path = f"/ubuntu/bobs/+log/{quote(record.date_created.isoformat())}"
        self.assertEqual(self.status("GET", path), 401)
        self.assertEqual(self.status("GET", path, who="dan"), 403)
        for who in ("bob", "cyd", "amy"):
            self.assertEqual(self.send("GET", path, who=who).text, "what was asked")
        record.destroySelf()
        transaction.commit()
        self.assertEqual(self.status("GET", path, who="bob"), 404)

    def test_history_and_plot(self) -> None:
        for _ in range(3):
            self.mirror.newProbeRecord(BytesIO(b"x"))
            self.world.clock.move(hours=24)
        for number, record in enumerate(self.mirror.probe_records):
            naked = removeSecurityProxy(record)
            naked.verdict, naked.lag_hours, naked.mean_seconds = ("good", "failed")[number == 1], number, 0.5
        transaction.commit()
        found = self.send("GET", "/ubuntu/bobs/+history").json
        self.assertEqual([each["verdict"] for each in found["probes"]], ["good", "failed", "good"])
        self.assertEqual(found["score"]["completion"], 0.6667)
        self.assertEqual(found["score"]["value"], (1.0 + 0.5) * 1.5)
        answer = self.send("GET", "/ubuntu/bobs/+plot.svg")
        self.assertEqual(answer.content_type, "image/svg+xml")
        svg = ET.fromstring(answer.body)  # noqa: S314  # our own output
        self.assertEqual(len(svg.findall("{http://www.w3.org/2000/svg}circle")), 3)


class Boards(MirrorPages):
    def names(self, query: str, status: int = 200) -> list[str]:
        page = browser().get(f"/mirrors/ubuntu{query}", headers={"Accept": "text/html"}, status=status)
        transaction.begin()
        return [link.text for link in page.html.select("#board td:first-child a")]

    def test_pages_by_name_read_no_other_mirrors(self) -> None:
        owner = getUtility(IPersonSet)["bob"]
        for number in range(60):
            add_mirror(self.ubuntu, owner, f"m{number:02}", f"http://m{number}.example/u/")
        transaction.commit()
        first = self.names("?sort=name")
        self.assertEqual((len(first), first[0], first[-1]), (50, "archive-404-mirror", "m46"))
        self.assertEqual(self.names("?sort=name&after=m46")[0], "m47")
        self.assertEqual(self.names("?sort=name&after=m46a")[0], "m47")  # one that is there no longer
        with patch.object(BoundDistribution, "mirrors", property(None)):
            self.assertEqual(self.names("?sort=name"), first)

    def test_very_many_are_sorted_by_name_only(self) -> None:
        with patch.object(board, "MOST_SORTED", 4):
            self.assertEqual(self.names(""), sorted(self.names("")))
            page = browser().get("/mirrors/ubuntu", headers={"Accept": "text/html"})
            self.assertEqual(page.html.select("#board th a"), [])
            self.assertEqual(page.html.find("th", {"aria-sort": True}).text, "Mirror")
            self.names("?sort=country", 400)
        with patch.object(board, "MOST_SORTED", 5):
            self.assertEqual(len(self.names("?sort=-country")), 5)


class ForClients(MirrorPages):
    def setUp(self) -> None:
        super().setUp()
        owner = getUtility(IPersonSet)["bob"]
        for name, country in (("near", "BR"), ("far", "DE")):
            add_mirror(self.ubuntu, owner, name, f"http://{name}.example/u/", country).review(
                MirrorReviewStatus.OFFICIAL, owner
            )
        transaction.commit()

    def test_mirrorlist(self) -> None:
        answer = self.send("GET", "/ubuntu/+mirrorlist?country=BR")
        self.assertEqual(answer.headers["Content-Type"], "text/plain; charset=utf-8")
        self.assertEqual(answer.headers["X-Generated-For-Country"], "BR")
        self.assertEqual(answer.text, "http://near.example/u/\nhttp://archive.example/ubuntu\n")
        everywhere = self.send("GET", "/ubuntu/+mirrorlist").text.splitlines()
        self.assertEqual(len(everywhere), 4)
        self.assertEqual(everywhere[-1], "http://archive.example/ubuntu")
        self.assertEqual(self.status("GET", "/ubuntu/+mirrorlist?country=XX"), 422)

    def test_the_country_of_the_client(self) -> None:
        with country_database({"203.0.113.0/24": "BR", "2001:db8:1::/48": "DE"}):
            for address, country, first in (
                ("203.0.113.7", "BR", "near"),
                ("2001:db8:1::7", "DE", "far"),
                ("198.51.100.1", "Unknown", "far"),
                ("", "Unknown", "far"),
            ):
                answer = request("GET", f"{APP}/mirrors/ubuntu/+mirrorlist", REMOTE_ADDR=address)
                self.assertEqual(answer.headers["X-Generated-For-Country"], country, address)
                self.assertTrue(answer.text.startswith(f"http://{first}."), address)

    def test_a_mirror_that_is_off_is_not_listed(self) -> None:
        self.ubuntu["near"].disableAndNotifyOwner()
        transaction.commit()
        self.assertNotIn("near", self.send("GET", "/ubuntu/+mirrorlist?country=BR").text)

    def test_metalink(self) -> None:
        warty = self.ubuntu.releases[0]
        path = "pool/main/n/new/new_1.dsc"
        warty.publications(PackagePublishingPocket.RELEASE, warty.components[0]).add(
            Publication(PublicationKind.DSC, "new", "1", path, self.world.clock.now(), 5, "ab" * 32)
        )
        transaction.commit()
        answer = self.send("GET", f"/ubuntu/+metalink?country=BR&path={path}")
        self.assertEqual(answer.content_type, "application/metalink4+xml")
        self.assertIn(f">http://near.example/u/{path}<", answer.text)
        self.assertIn(f">{'ab' * 32}<", answer.text)
        # Without a digest there would be nothing to verify by.
        known = "pool/main/a/alsa-utils/alsa-utils_1.0.9a-4.dsc"
        self.assertEqual(self.status("GET", f"/ubuntu/+metalink?path={known}"), 404)


class Pages(MirrorPages):
    def test_hostile_text_is_text(self) -> None:
        self.mirror.display_name = EVIL
        removeSecurityProxy(self.mirror).troubles = (("missing", f"http://x/{EVIL}", self.world.clock.now()),)
        transaction.commit()
        self.log_in("amy")
        for path in ("/mirrors/ubuntu", "/mirrors/ubuntu/bobs"):
            page = self.bobs.get(path).text
            self.assertNotIn("<script>alert", page, path)
            self.assertIn("&lt;script&gt;", page, path)

    def test_a_mirror_from_registration_to_review(self) -> None:
        self.log_in("dan")
        form = self.bobs.get("/mirrors/ubuntu").click("Register a mirror").form
        form["name"], form["country"], form["http_base_url"] = "dans", "BR", "http://dans.example/ubuntu"
        page = form.submit().follow()
        self.assertIn("Pending review", page.text)
        self.assertIn("Brazil", self.bobs.get("/mirrors/ubuntu").text)
        cyds = browser()
        form = cyds.get("/+login").form
        form["name"], form["password"] = "cyd", GOOD
        form.submit()
        form = next(
            form for form in cyds.get("/mirrors/ubuntu/dans").forms.values() if "+review" in form.action
        )
        form["status"] = "OFFICIAL"
        self.assertIn("Official", form.submit().follow().text)

    def test_without_permissions_a_page_has_no_form(self) -> None:
        self.assertEqual(browser().get("/mirrors/ubuntu/bobs").forms, {})
        self.log_in("dan")
        self.assertEqual(self.bobs.get("/mirrors/ubuntu/bobs").forms, {})
        self.assertEqual(self.bobs.get("/mirrors").forms, {})

    def test_registering_asks_to_log_in_first(self) -> None:
        page = browser().get("/mirrors/ubuntu/+register", status="*")
        self.assertIn(page.status_int, (302, 303, 401))

    def test_switching_off_and_on(self) -> None:
        self.log_in("bob")
        form = list(self.bobs.get("/mirrors/ubuntu/bobs").forms.values())[1]
        self.assertIn("Switched off", form.submit("enabled", value="no").follow().text)
        form = list(self.bobs.get("/mirrors/ubuntu/bobs").forms.values())[1]
        self.assertNotIn("Switched off", form.submit("enabled", value="yes").follow().text)
