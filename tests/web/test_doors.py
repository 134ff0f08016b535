"""All doors of all systems: found by looking, so that a new system is looked at as well."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import urljoin, urlsplit

from webtest import TestApp
from zope.component import getGlobalSiteManager
from zope.security.proxy import Proxy

from tests.support.servers.in_process import browser, request
from tests.web.support import APP, PeopleInTheWorld

MOST_PAGES = 300

# What components may have unproxied: machinery that holds no user's data, or is used only
# by trusted code (the tree, the bytes, authentication before there is a principal).
MACHINERY = {
    "librarian.countries.interfaces.ICountrySet",
    "librarian.events.interfaces.IHookSender",
    "librarian.events.streams.interfaces.IEventStreams",  # its view says whose events are told
    "librarian.interfaces.IEventKind",
    "librarian.interfaces.IFetcher",
    "librarian.interfaces.IClock",
    "librarian.library.drops.interfaces.IPlacesFiles",  # asks the acting principal's permissions itself
    "librarian.library.uploads.interfaces.ITargetUploads",  # the same
    "librarian.library.interfaces.IFileReferences",
    "librarian.library.uploads.interfaces.ILinkUploads",
    "librarian.library.catalogue.interfaces.IFileFinder",  # finds ids; each file is guarded
    "librarian.library.uploads.interfaces.IResumableUploads",  # each upload is its owner's
    "librarian.mail.interfaces.IPostOffice",
    "librarian.mirrors.interfaces.IProbeLogs",
    "librarian.people.credentials.interfaces.IAuthenticator",
    "librarian.people.credentials.interfaces.IScope",
    "librarian.people.interfaces.ICelebrity",
    "librarian.people.interfaces.IParticipantFacts",  # which ask for permissions themselves
    "librarian.security.interfaces.IPrincipal",
    "librarian.interfaces.ISettings",
    "librarian.interfaces.ISettingsSection",
    "librarian.library.interfaces.IVerifiedReads",  # of a store that its caller has
    "librarian.store.s3.interfaces.IGenerations",
    "librarian.store.interfaces.IByteStore",
    "librarian.tree.interfaces.ISubtree",
    "librarian.tree.interfaces.ITree",
    "librarian.web.interfaces.IEndpoint",
    "librarian.web.interfaces.IIdentification",
    "librarian.web.interfaces.IAppSection",
    "librarian.web.interfaces.ITakesFiles",
}


class Utilities(PeopleInTheWorld):
    def test_those_that_hold_data_are_secured(self) -> None:
        """One that fails here belongs in a <securedutility>, or, with a reason, into MACHINERY."""
        bare = {
            one.provided.__identifier__
            for one in getGlobalSiteManager().registeredUtilities()
            if type(one.component) is not Proxy and one.provided.__identifier__.startswith("librarian.")
        }
        self.assertEqual(sorted(bare - MACHINERY), [])


class Pages(PeopleInTheWorld):
    """Every page an administrator can reach by links, and every form on it."""

    def setUp(self) -> None:
        super().setUp()
        self.log_in("amy")
        self.pages = dict(self.crawl(self.bobs))

    def crawl(self, visitor: TestApp) -> Iterator[tuple[str, Any]]:
        waiting, seen = ["/"], {"/", "/+logout"}
        while waiting and len(seen) < MOST_PAGES:
            path = waiting.pop(0)
            answer = visitor.get(path, status="*")
            self.assertLess(answer.status_int, 400, path)
            if answer.content_type != "text/html":
                continue
            yield path, answer
            for link in answer.html.find_all("a", href=True):
                found = urlsplit(urljoin(f"{APP}{path}", link["href"]))
                if f"{found.scheme}://{found.netloc}" == APP and found.path not in seen:
                    seen.add(found.path)
                    waiting.append(found.path)

    def forms(self) -> list[tuple[str, Any]]:
        return [
            (urljoin(path, form.action), form)
            for path, page in self.pages.items()
            for form in page.forms.values()
            if form.method.upper() == "POST"
        ]

    def test_there_is_something_to_look_at(self) -> None:
        self.assertGreater(len(self.pages), 8)
        self.assertGreater(len(self.forms()), 5)

    def test_every_form_carries_the_token(self) -> None:
        for path, form in self.forms():
            self.assertIn("csrf_token", form.fields, path)

    def test_no_form_is_taken_without_it(self) -> None:
        for path, form in self.forms():
            fields = {name: value for name, value in form.submit_fields() if name != "csrf_token"}
            self.assertEqual(self.bobs.post(path, fields, status="*").status_int, 403, path)

    def test_anonymous_changes_are_refused(self) -> None:
        for path in {path for path, _form in self.forms()} - {"/+login"}:
            for method in ("POST", "PUT", "PATCH", "DELETE"):
                status = request(method, f"{APP}{path}", {}, b"").status_int
                self.assertTrue(400 <= status < 500, (method, path, status))

    def test_no_page_breaks_or_is_cached_for_anonymous(self) -> None:
        for path in self.pages:
            answer = browser().get(path, status="*")
            self.assertLess(answer.status_int, 500, path)
            self.assertNotIn("public", answer.headers["Cache-Control"], path)
            self.assertNotIn("@example.com", answer.text, path)

    def test_pages_run_no_script_but_ours_and_are_never_framed(self) -> None:
        for path, page in self.pages.items():
            policy = page.headers["Content-Security-Policy"]
            self.assertIn("frame-ancestors 'none'", policy, path)
            self.assertNotIn("unsafe", policy, path)
            for script in page.html.find_all("script"):
                self.assertTrue(script.get("src", "").startswith("/+static/"), path)
            for element in page.html.find_all(True):
                self.assertFalse([name for name in element.attrs if name.startswith("on")], path)
