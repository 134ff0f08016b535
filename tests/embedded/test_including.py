"""Another Pyramid application includes the library: both keep what is theirs."""

import hashlib
import io
import tempfile
from typing import Any

import transaction
from pyramid.authentication import AuthTktCookieHelper
from pyramid.authorization import Authenticated
from pyramid.config import Configurator
from pyramid.interfaces import IRequest
from pyramid.request import Request
from pyramid.response import Response
from pyramid.security import remember
from webtest import TestApp
from zope.component import getUtility
from zope.interface import implementer

from librarian.embedded.interfaces import IHostUser
from librarian.interfaces import SettingsError
from librarian.library.opening import open_library
from librarian.people.interfaces import ICelebrities, IPersonSet
from librarian.tree.interfaces import ITree
from tests.security.zcml import ConfiguredTestCase

URL = "http://shop.example.org"


class Policy:
    """The host's own security policy: a signed cookie."""

    def __init__(self) -> None:
        self._cookie = AuthTktCookieHelper("the secret of the shop", hashalg="sha512")

    def identity(self, request: Request) -> Any:
        return self._cookie.identify(request)

    def authenticated_userid(self, request: Request) -> str | None:
        identity = self.identity(request)
        return None if identity is None else str(identity["userid"])

    def permits(self, request: Request, context: Any, permission: str) -> bool:
        return permission == Authenticated and self.authenticated_userid(request) is not None

    def remember(self, request: Request, userid: str, **options: Any) -> Any:
        return self._cookie.remember(request, userid)

    def forget(self, request: Request, **options: Any) -> Any:
        return self._cookie.forget(request)


def log_in(request: Request) -> Response:
    response = Response("welcome")
    response.headerlist.extend(remember(request, request.params["name"]))
    return response


def add(request: Request) -> Response:
    """Keep the body as a restricted file, in the host's own transaction."""
    alias = request.library.create(
        "note.txt", len(request.body), io.BytesIO(request.body), "text/plain", restricted=True
    )
    if request.params.get("fail"):
        raise LookupError("the shop changes its mind")
    return Response(f"{alias.id}")


def shop_error(context: LookupError, request: Request) -> Response:
    return Response("the shop's own error page", status=500)


class Hosts(ConfiguredTestCase):
    def setUp(self) -> None:
        self.start_afresh()
        self.folder = self.enterContext(tempfile.TemporaryDirectory(prefix="librarian-host-"))

    def host(self, prefix: str = "/lib", manager_hook: str = "", **settings: str) -> TestApp:
        values = {
            "librarian.database_uri": f"file://{self.folder}/tree/Data.fs",
            "librarian.byte_store": f"{self.folder}/bytes",
            "librarian.mount_url": f"{URL}{prefix}/",
            **({"tm.manager_hook": manager_hook} if manager_hook else {}),
            **{f"librarian.{name}": value for name, value in settings.items()},
        }
        config = Configurator(settings=values)
        config.include("pyramid_tm")
        config.set_security_policy(Policy())
        config.include("librarian", route_prefix=prefix)
        self.addCleanup(getUtility(ITree).close)
        for name, view in (("log-in", log_in), ("add", add)):
            config.add_route(name, f"/{name}")
            config.add_view(view, route_name=name)
        config.add_exception_view(shop_error, context=LookupError)
        self.config = config
        with open_library():
            people = getUtility(IPersonSet)
            people.new("amy", "Amy", "amy@example.org")
            getUtility(ICelebrities).admins.addMember(people["amy"])
            people.new("bob", "Bob", "bob@example.org")
            transaction.commit()
        return TestApp(config.make_wsgi_app(), extra_environ={"HTTP_HOST": "shop.example.org"})

    def test_pages_lie_below_the_prefix_and_nothing_else_changes(self) -> None:
        shop = self.host()
        html = {"Accept": "text/html"}
        page = shop.get("/lib/", headers=html)
        self.assertIn('href="/lib/files"', page.text)
        self.assertEqual(shop.get("/lib", headers=html).status_int, 200)
        self.assertEqual(shop.get("/library", status=404).status_int, 404)
        self.assertEqual(shop.get("/+login", status=404).status_int, 404)
        self.assertEqual(shop.get("/lib/+static/librarian.css").content_type, "text/css")

    def test_a_file_is_added_in_the_hosts_view_and_downloaded_below_the_prefix(self) -> None:
        shop = self.host(host_authentication="true")
        shop.get("/log-in?name=amy")
        alias_id = int(shop.post("/add", b"seven").text)
        answer = shop.get(f"/lib/files/{alias_id}", status=302)
        self.assertEqual(answer.location.partition("?")[0], f"{URL}/lib/+public/{alias_id}/note.txt")
        self.assertEqual(shop.get(answer.location).body, b"seven")
        self.assertEqual(shop.get(f"/lib/+public/{alias_id}/note.txt", status=404).status_int, 404)
        with open_library() as library:
            self.assertEqual(library[alias_id].owner, "person:amy")

    def test_what_the_host_aborts_has_not_been(self) -> None:
        shop = self.host(host_authentication="true")
        shop.get("/log-in?name=amy")
        answer = shop.post("/add?fail=1", b"seven", status=500)
        self.assertEqual(answer.text, "the shop's own error page")
        with open_library() as library:
            self.assertEqual(list(library.findBySHA1(hashlib.sha1(b"seven").hexdigest())), [])

    def test_a_host_with_an_explicit_transaction_manager(self) -> None:
        shop = self.host(host_authentication="true", manager_hook="pyramid_tm.explicit_manager")
        shop.get("/log-in?name=amy")
        self.assertGreater(int(shop.post("/add", b"seven").text), 0)
        shop.post("/add?fail=1", b"eight", status=500)
        with open_library() as library:
            digests = [hashlib.sha1(data).hexdigest() for data in (b"seven", b"eight")]
            found = [len(list(library.findBySHA1(digest))) for digest in digests]
        self.assertEqual(found, [1, 0])

    def test_users_of_the_host_are_people_of_the_library(self) -> None:
        shop = self.host(host_authentication="true")
        self.assertEqual(shop.get("/lib/people", status=401).status_int, 401)
        shop.get("/log-in?name=bob")
        self.assertEqual(shop.get("/lib/spool", status=403).status_int, 403)
        shop.get("/log-in?name=amy")
        page = shop.get("/lib/people", headers={"Accept": "text/html"})
        self.assertIn('href="/lib/people/amy"', page.text)
        self.assertNotIn("+login", page.text)
        shop.get("/log-in?name=nemo")
        self.assertEqual(shop.get("/lib/people", status=401).status_int, 401)

    def test_the_librarys_own_log_in_is_gone(self) -> None:
        """What it began would not count; the host's log-in does."""
        shop, html = self.host(host_authentication="true"), {"Accept": "text/html"}
        for path in ("/lib/+login", "/lib/+logout"):
            self.assertEqual(shop.get(path, headers=html, status=404).status_int, 404)
            self.assertEqual(shop.post(path, headers=html, status="4*").status_int, 404)
        refused = shop.get("/lib/people", headers=html, status=403)
        self.assertNotIn("WWW-Authenticate", refused.headers)  # a browser would ask for a password

    def test_an_adapter_of_the_host_says_who_its_users_are(self) -> None:
        @implementer(IHostUser)
        class ByNumber:
            def __init__(self, request: Request) -> None:
                self.name = {"7": "amy"}.get(str(request.authenticated_userid))

        shop = self.host(host_authentication="true")
        self.config.registry.registerAdapter(ByNumber, (IRequest,), IHostUser)
        shop.get("/log-in?name=7")
        self.assertEqual(shop.get("/lib/people").status_int, 200)
        shop.get("/log-in?name=amy")
        self.assertEqual(shop.get("/lib/people", status=401).status_int, 401)

    def test_without_it_the_hosts_users_are_strangers(self) -> None:
        shop = self.host()
        shop.get("/log-in?name=amy")
        self.assertEqual(shop.get("/lib/people", status=401).status_int, 401)
        self.assertIn("/lib/+login", shop.get("/lib/", headers={"Accept": "text/html"}).text)

    def test_pages_in_the_frame_of_the_host(self) -> None:
        shop = self.host(layout="tests.embedded:templates/host.jinja2")
        page = shop.get("/lib/+search", headers={"Accept": "text/html"})
        self.assertIn("The shop's own navigation", page.text)
        self.assertIn('action="/lib/+search"', page.text)

    def test_endpoints_that_trust_the_network_are_not_shown_to_the_world(self) -> None:
        for name in ("restricted", "upload", "tracker"):
            with self.subTest(name), self.assertRaisesRegex(SettingsError, "trusts whoever reaches it"):
                self.host(mounted_endpoints=f"public {name}")
            getUtility(ITree).close()
        with self.assertRaisesRegex(SettingsError, "there is no endpoint 'nothing'"):
            self.host(mounted_endpoints="nothing")
        getUtility(ITree).close()

    def test_uploads_with_a_token(self) -> None:
        shop = self.host(mounted_endpoints="public upload", upload_requires_token="true")
        self.assertEqual(shop.put("/lib/+upload/a.txt", b"abc", status=401).status_int, 401)

    def test_a_url_that_cannot_be_one_is_refused(self) -> None:
        for url in ("shop.example.org/lib/", "http://shop.example.org/lib"):
            with self.subTest(url), self.assertRaisesRegex(SettingsError, "librarian.mount_url"):
                self.host(mount_url=url)
