"""What every page has for people: a title of its own, a way past the header, names for what can be used."""

import re
import unittest
from datetime import timedelta
from io import BytesIO
from typing import Any
from urllib.parse import urljoin, urlsplit

import transaction
from zope.component import getUtility

from librarian.library.catalogue.indexing import Indexer
from librarian.library.interfaces import ILibraryFileAliasSet
from librarian.machines.interfaces import ICodeImportMachineSet
from librarian.naming.interfaces import INamedTree
from librarian.quantities import relative
from librarian.web.views import when
from tests.support.layers import Functional
from tests.support.servers.in_process import browser
from tests.web.support import APP, PeopleInTheWorld

MOST_PAGES = 300
ASKED = (
    "/files?list=all",
    "/files?list=deleted",
    "/+search?q=a",
    "/tree/a/a.txt?history",
    "/tree/a/?move=a.txt",
    "/tree/a/?delete=a.txt",
)


class Pages(PeopleInTheWorld):
    """Every page that an administrator can reach by links, and those of ASKED."""

    def setUp(self) -> None:
        super().setUp()
        library, tree = getUtility(ILibraryFileAliasSet), getUtility(INamedTree)
        for name in ("a.txt", "b.txt"):
            alias = library.create(name, 3, BytesIO(b"abc"), "text/plain", restricted=name == "b.txt")
            tree["/"].make_folder(name[0]).put(name, alias)
        getUtility(ICodeImportMachineSet).new("bees")
        transaction.commit()
        Indexer().run()
        self.log_in("amy")
        self.pages = self.crawl()

    def crawl(self) -> dict[str, Any]:
        waiting, pages = ["/", *ASKED], dict[str, Any]()
        while waiting and len(pages) < MOST_PAGES:
            path = waiting.pop(0)
            answer = self.bobs.get(path, status="*")
            if path in pages or answer.content_type != "text/html" or answer.status_int != 200:
                continue
            pages[path] = answer
            for link in answer.html.find_all("a", href=True):
                found = urlsplit(urljoin(f"{APP}{path}", link["href"]))
                if f"{found.scheme}://{found.netloc}" == APP and found.path not in pages:
                    waiting.append(found.path)
        return pages

    def test_all_of_them(self) -> None:
        """In one test: to find the pages takes longer than to look at them."""
        for look in (
            self.look_there_is_something_to_look_at,
            self.look_titles_differ,
            self.look_a_way_past_the_header,
            self.look_the_section_is_marked,
            self.look_every_field_and_column_has_a_name,
            self.look_one_heading_and_no_id_twice,
            self.look_what_they_load_is_there,
            self.look_no_time_is_bare,  # takes elements out of the pages
        ):
            with self.subTest(look.__name__):
                look()

    def look_there_is_something_to_look_at(self) -> None:
        for path in (
            "/+overview",
            "/+audit",
            "/tree/a/",
            "/people/amy/+tokens",
            "/machines/bees",
            "/+upload",
        ):
            self.assertIn(path, self.pages)
        self.assertTrue([path for path in self.pages if path.endswith("/+about")], sorted(self.pages))

    def look_titles_differ(self) -> None:
        known: dict[str, str] = {}
        for path, page in self.pages.items():
            other = known.setdefault(page.html.title.text, path.rstrip("/"))
            self.assertEqual(other, path.rstrip("/"), page.html.title.text)

    def look_a_way_past_the_header(self) -> None:
        for path, page in self.pages.items():
            first = page.html.body.find("a")
            self.assertEqual((first["href"], first["class"]), ("#main", ["skip"]), path)
            self.assertEqual(page.html.find(id="main").name, "main", path)

    def look_the_section_is_marked(self) -> None:
        for path, page in self.pages.items():
            marked = page.html.select("header nav a[aria-current]")
            section = path.split("/")[1].partition("?")[0]
            found = [each["href"].strip("/") for each in marked]
            self.assertIn(found, ([section], []), path)
            if path == f"/{section}" and section and not section.startswith("+"):
                self.assertEqual([each["aria-current"] for each in marked], ["page"], path)

    def look_every_field_and_column_has_a_name(self) -> None:
        for path, page in self.pages.items():
            for field in page.html.select("input:not([type=hidden]), select, textarea"):
                labels = page.html.select(f'label[for="{field.get("id")}"]') or field.find_parents("label")
                self.assertTrue(labels or field.get("aria-label"), (path, field))
            for head in page.html.find_all("th"):
                self.assertTrue(head.text.strip(), (path, head))
            for button in page.html.find_all(("a", "button")):
                self.assertTrue(button.text.strip() or button.get("aria-label"), (path, button))

    def look_one_heading_and_no_id_twice(self) -> None:
        for path, page in self.pages.items():
            self.assertEqual(len(page.html.find_all("h1")), 1, path)
            ids = [each["id"] for each in page.html.find_all(id=True)]
            self.assertEqual(sorted(set(ids)), sorted(ids), path)

    def look_what_they_load_is_there(self) -> None:
        loaded = {
            urlsplit(urljoin(f"{APP}{path}", each.get("href") or each.get("src")))
            for path, page in self.pages.items()
            for each in page.html.select("head link[href], script[src]")
        }
        self.assertIn("/+static/icon.svg", [each.path for each in loaded])
        for each in loaded:
            self.assertEqual(self.bobs.get(each.path, status="*").status_int, 200, each.path)

    def look_no_time_is_bare(self) -> None:
        """Outside of an element that has the exact one, and of what a person typed or a plot shows."""
        for path, page in self.pages.items():
            for each in page.html.select("time, svg, input, pre, code"):
                each.extract()
            found = re.findall(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d", page.html.main.get_text(" "))
            self.assertEqual(found, [], path)

    def test_modules_load_modules_that_are_there(self) -> None:
        for name in ("sending", "copying", "times"):
            script = self.bobs.get(f"/+static/{name}.js").text
            for other in re.findall(r'from "\./(\w+\.js)"', script):
                self.assertEqual(self.bobs.get(f"/+static/{other}").status_int, 200, other)


class Words(unittest.TestCase):
    layer = Functional

    def test_times(self) -> None:
        for seconds, words in (
            (-3, "just now"),
            (59, "just now"),
            (-60, "1 minute ago"),
            (-7199, "1 hour ago"),
            (7200, "in 2 hours"),
            (-86400 * 3, "3 days ago"),
            (86400 * 70, "in 2 months"),
            (-86400 * 800, "2 years ago"),
        ):
            self.assertEqual(relative(timedelta(seconds=seconds)), words)

    def test_the_exact_time_is_on_hover(self) -> None:
        now = Functional.world.clock.now()
        shown = str(when((now - timedelta(hours=3)).isoformat()))
        self.assertIn(">3 hours ago<", shown)
        self.assertIn(f'title="{now - timedelta(hours=3):%Y-%m-%d %H:%M:%S} UTC"', shown)
        self.assertEqual(when(None), "")
        day = (now - timedelta(days=3)).date()
        self.assertIn(f'datetime="{day}T00:00:00+00:00"', str(when(day.isoformat())))

    def test_what_is_no_time_stays_what_it_is(self) -> None:
        """A log or a ledger may have been written by another program."""
        self.assertEqual(when("<soon>"), "&lt;soon&gt;")
        self.assertEqual(when("0001-01-01T00:00:00+23:00"), "0001-01-01T00:00:00+23:00")

    def test_what_is_not_there(self) -> None:
        page = browser().get("/no-such-page", status=404)
        self.assertIn("There is nothing at this address", page.html.main.text)
