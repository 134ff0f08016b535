"""The application below a prefix (SCRIPT_NAME): every link, form, redirection and cookie stays below it."""

from io import BytesIO
from typing import Any
from urllib.parse import urljoin, urlsplit

import transaction
from zope.component import getUtility

from librarian.library.interfaces import ILibraryFileAliasSet
from librarian.machines.interfaces import ICodeImportMachineSet
from librarian.naming.interfaces import INamedTree
from tests.support.servers.in_process import Browser, ThreadedApplication
from tests.web.support import APP, GOOD, PeopleInTheWorld

PREFIX = "/shop/caf\u00e9"
QUOTED = "/shop/caf%C3%A9"
MOST_PAGES = 300


class Prefixed:
    """A host's application: hands on what is below the prefix, and refuses the rest."""

    def __init__(self) -> None:
        self._inner = ThreadedApplication()
        self.outside: list[str] = []

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        prefix, path = PREFIX.encode().decode("latin-1"), environ["PATH_INFO"]
        if path != prefix and not path.startswith(f"{prefix}/"):
            self.outside.append(path)
            start_response("404 Not Found", [("Content-Type", "text/plain")])
            return [b"nothing of the library"]
        environ["SCRIPT_NAME"], environ["PATH_INFO"] = prefix, path[len(prefix) :] or "/"
        return self._inner(environ, start_response)


class Mounted(PeopleInTheWorld):
    def setUp(self) -> None:
        super().setUp()
        self.host = Prefixed()
        environ = {"SERVER_PORT": "6543", "HTTP_HOST": "localhost:6543", "HTTP_ACCEPT": "text/html"}
        self.browser = Browser(self.host, extra_environ=environ)
        self.fill()

    def fill(self) -> None:
        """Something of each kind, so that its page is linked."""
        library = getUtility(ILibraryFileAliasSet)
        alias = library.create("a b.txt", 3, BytesIO(b"abc"), "text/plain")
        getUtility(INamedTree)["/"].make_folder("poems").put("a b.txt", alias)
        getUtility(ICodeImportMachineSet).new("bees")
        transaction.commit()

    def log_in(self, name: str) -> Any:
        form = self.browser.get(f"{QUOTED}/+login").form
        form["name"], form["password"] = name, GOOD
        return form.submit()

    def crawl(self) -> dict[str, Any]:
        waiting, pages = [f"{QUOTED}/"], dict[str, Any]()
        while waiting and len(pages) < MOST_PAGES:
            path = waiting.pop(0)
            if path in pages or path == f"{QUOTED}/+logout":
                continue
            answer = pages[path] = self.browser.get(path, status="*")
            self.assertLess(answer.status_int, 400, path)
            if answer.content_type == "text/html":
                waiting += self.links(path, answer)
        return pages

    def links(self, path: str, answer: Any) -> list[str]:
        """The paths on this host of all links, forms and assets of a page."""
        urls = [
            element[name]
            for name in ("href", "src", "action", "formaction")
            for element in answer.html.find_all(attrs={name: True})
        ]
        found = [urlsplit(urljoin(f"{APP}{path}", url)) for url in urls]
        own = [one for one in found if f"{one.scheme}://{one.netloc}" == APP]
        outside = [one.path for one in own if not one.path.startswith(f"{QUOTED}/") and one.path != QUOTED]
        self.assertEqual(outside, [], path)
        anchors = [urljoin(f"{APP}{path}", a["href"]) for a in answer.html.find_all("a", href=True)]
        return [urlsplit(url).path for url in anchors if url.startswith(f"{APP}/")]

    def test_every_page_links_below_the_prefix(self) -> None:
        answer = self.log_in("amy")
        self.assertEqual(answer.headers["Location"], f"{QUOTED}/")
        pages = self.crawl()
        self.assertGreater(len(pages), 12)
        for name in ("/files", "/tree/", "/machines/bees", "/people/amy", "/mirrors", "/tracker", "/spool"):
            self.assertIn(f"{QUOTED}{name}", pages)
        self.assertEqual(self.host.outside, [])

    def test_cookies_are_for_the_prefix(self) -> None:
        answer = self.log_in("amy")
        for cookie in answer.headers.getall("Set-Cookie"):
            self.assertIn(f"Path={QUOTED};", cookie)

    def test_over_https_the_name_of_the_cookie_needs_no_whole_host(self) -> None:
        self.browser.extra_environ["wsgi.url_scheme"] = "https"
        cookies = self.log_in("amy").headers.getall("Set-Cookie")
        self.assertEqual([c.partition("=")[0] for c in cookies if "librarian=" in c], ["__Secure-librarian"])

    def test_what_needs_a_log_in_leads_there_and_back(self) -> None:
        answer = self.browser.get(f"{QUOTED}/people", status=303)
        self.assertEqual(
            answer.headers["Location"], f"{QUOTED}/+login?next={QUOTED.replace('%', '%25')}/people"
        )
        form = answer.follow().form
        form["name"], form["password"] = "amy", GOOD
        self.assertEqual(form.submit().headers["Location"], f"{QUOTED}/people")

    def test_a_change_leads_back_below_the_prefix(self) -> None:
        self.log_in("amy")
        page = self.browser.get(f"{QUOTED}/tree/")
        form = next(form for form in page.forms.values() if "folder" in form.fields)
        form["folder"] = "plays"
        self.assertEqual(form.submit().headers["Location"], f"{QUOTED}/tree/plays/")

    def test_json_has_urls_below_the_prefix(self) -> None:
        self.log_in("amy")
        listing = self.browser.get(f"{QUOTED}/tree/", headers={"Accept": "application/json"}).json
        self.assertEqual([one["url"] for one in listing["entries"]], [f"{QUOTED}/tree/poems"])
