"""A library worth attacking: amy is its administrator, bob has no role, and everything in it is hers."""

import json
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import transaction
from zope.component import getUtility

from librarian.library.drops.interfaces import IUploadLinks
from librarian.people.credentials.person_principal import PersonPrincipal
from librarian.people.interfaces import ICelebrities, IPersonSet, ITeamSet
from librarian.security.interaction import acting_as
from librarian.web.requests.methods import methods_of
from tests.support.mirrors.sample import add_mirror, add_sample
from tests.support.servers.in_process import request
from tests.support.world import overlay
from tests.web.support import APP, PeopleInTheWorld
from tests.web.test_methods import views

PUBLIC, RESTRICTED = "http://localhost:8000", "http://localhost:8005"
UPLOAD, RESTRICTED_UPLOAD = "http://localhost:9090", "http://localhost:9095"
TRACKER, OPS = "http://localhost:9999", "http://localhost:9191"
SECRET = b"the seven words that are not for everyone " * 20
NAME = "unspoken-plan.txt"  # of both files with these bytes
DATE = "Thu,+01+Jan+2026+00:00:00+GMT"


class AttackedWorld(PeopleInTheWorld):
    """Every test begins with the same things; `places` has the URL of each kind of context."""

    def setUp(self) -> None:
        super().setUp()
        self.admin = {"Authorization": f"Bearer {self.token('amy', 'all')}"}
        self._partner()
        self._people()
        self._files()
        self._systems()
        transaction.begin()
        self.world.index()
        self.places = self._places()

    def ask(self, method: str, url: str, headers: Any = None, body: bytes = b"") -> Any:
        url = url if "://" in url else f"{APP}{url}"
        return request(method, url, headers, body, REMOTE_ADDR="192.0.2.7")

    def as_admin(self, method: str, url: str, fields: Any = None, body: bytes = b"") -> Any:
        """What she is told, or nothing where it is no JSON."""
        sent = {**self.admin, "Accept": "application/json"}
        if fields is not None:
            body, sent["Content-Type"] = json.dumps(fields).encode(), "application/json"
        answer = self.ask(method, url, sent, body)
        assert answer.status_int < 400, (method, url, answer.text)
        return answer.json if answer.content_type == "application/json" else None

    def last_change(self) -> bytes:
        """The id of the newest transaction: a request that leaves it alone has changed nothing."""
        return bytes(self.world.tree._database.storage.lastTransaction())

    def _partner(self) -> None:
        stack = ExitStack()
        self.addCleanup(stack.close)
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        lines = ("[export:cds]", f"store_dir = {folder}/store", "host = localhost", "port = 1", "user = u")
        (folder / "partners.ini").write_text("\n".join(lines))
        stack.enter_context(overlay(f"[librarian.spool]\ntargets_file = {folder}/partners.ini"))

    def _people(self) -> None:
        amy = getUtility(IPersonSet)["amy"]
        getUtility(ICelebrities)["mirror-admins"].addMember(amy)
        getUtility(ITeamSet).new("friends", "Friends", owner=amy)
        add_mirror(add_sample(), amy, "amys", "http://amys.example/ubuntu")
        transaction.commit()
        with acting_as(PersonPrincipal(amy)):
            self.drop = urlsplit(getUtility(IUploadLinks).create(wanted="a photo")).path

    def _files(self) -> None:
        self.open = self.as_admin("PUT", f"{UPLOAD}/logo.txt", body=b"LOGO")
        self.secret = self.as_admin("PUT", f"{RESTRICTED_UPLOAD}/{NAME}", body=SECRET)
        self.other = self.as_admin("PUT", f"{RESTRICTED_UPLOAD}/other.txt", body=b"other")
        self.link, self.other_link = (
            self.as_admin("POST", f"/files/{one['id']}/+tokens", {"lifetime": "24h"})["url"]
            for one in (self.secret, self.other)
        )
        self.as_admin("PUT", "/tree/plans/")
        self.as_admin("PUT", f"/tree/plans/{NAME}?restricted=yes", body=SECRET)
        self.as_admin("PUT", "/tree/plans/open.txt", body=b"open")

    def _systems(self) -> None:
        self.as_admin("POST", "/machines/+scheduler/apollo/arrive", {})
        gimp = {"name": "gimp", "rcs_type": "GIT", "url": "https://example.com/gimp.git"}
        self.as_admin("POST", "/machines/+imports", {**gimp, "review_status": "REVIEWED", "private": True})
        self.as_admin("POST", "/machines/+scheduler/apollo/poll", {"worker_limit": 3})
        self.as_admin("PUT", f"{TRACKER}/files/dir/file?last_modified={DATE}", body=b"tracked")
        hook = {"url": "https://example.com/hook", "kinds": ["file.added"]}
        self.hook = self.as_admin("POST", "/webhooks", hook)["id"]

    def _places(self) -> dict[str, str]:
        """By the context's name; a view lies below under its own name."""
        daemon = f"{APP}/machines/+scheduler/apollo"
        return {
            "AppRoot": APP,
            "Directory": f"{APP}/people",
            "IPerson": f"{APP}/people/amy",
            "IParticipant": f"{APP}/people/amy",
            "ITeam": f"{APP}/people/friends",
            "Files": f"{APP}/files",
            "ILibraryFileAlias": f"{APP}/files/{self.secret['id']}",
            "TreePath": f"{APP}/tree/plans/{NAME}",
            "DirectoryPage": f"{APP}/tracker/tree/dir",
            "FilePage": f"{APP}/tracker/tree/dir/file",
            "Machines": f"{APP}/machines",
            "ICodeImportMachine": f"{APP}/machines/apollo",
            "Imports": f"{APP}/machines/+imports",
            "ICodeImport": f"{APP}/machines/+imports/gimp",
            "IFileHolder": f"{APP}/machines/+imports/gimp",
            "Scheduler": f"{APP}/machines/+scheduler",
            "Daemon": daemon,
            "DaemonJob": f"{daemon}/jobs/1",
            "Mirrors": f"{APP}/mirrors",
            "IDistribution": f"{APP}/mirrors/ubuntu",
            "IDistributionMirror": f"{APP}/mirrors/ubuntu/amys",
            "Spools": f"{APP}/spool",
            "ISpool": f"{APP}/spool/export/cds",
            "Webhooks": f"{APP}/webhooks",
            "IWebhook": f"{APP}/webhooks/{self.hook}",
            "DownloadRoot": PUBLIC,
            "Download": f"{PUBLIC}/{self.secret['id']}/{NAME}",
            "UploadRoot": UPLOAD,
            "UploadTarget": f"{UPLOAD}/f.txt",
            "OpsRoot": OPS,
            "ProtocolPath": f"{TRACKER}/files/dir/file",
            "None": f"{APP}/+static/librarian.css",
        }


def kinds_of_context() -> set[str]:
    return {name.partition(" ")[0] for name, _view in views()}


def targets(places: dict[str, str]) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    """Name, URL and methods of each registered view."""
    for name, view in views():
        kind, _, rest = name.partition(" ")
        url = places[kind]
        yield (
            name,
            f"{url}/{rest}" if rest else (url if urlsplit(url).path else f"{url}/"),
            methods_of(view["callable"]),
        )


def on_app(places: dict[str, str]) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    """Those that a browser with a session may be made to visit."""
    return (each for each in targets(places) if each[1].startswith(APP))
