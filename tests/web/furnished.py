"""A library with some of everything, for tests that look at all of its pages."""

import tempfile
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import urlsplit

from librarian.clock import SystemClock
from librarian.spool.model.ledger import Entry, Ledger, Stage, ledger_path
from librarian.spool.settings import read_targets
from librarian.tracker.client.stores.remote import RemoteDataStore
from tests.machines.site import MachinesSite
from tests.support.layers import Chromium

SETTINGS = "librarian.spool.targets_file = {0}/partners.ini\nlibrarian.audit_log = {0}/audit.log\n"
PARTNER = "[export:cds]\nstore_dir = {0}/spool\nhost = partner.example\nuser = us\n"
PICTURE = bytes.fromhex(  # of one white point
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de"
    "0000000c49444154789c63f8ffff3f0005fe02fe0def46b80000000049454e44ae426082"
)
FILES = (
    ("picture.png", "image/png", PICTURE),
    ("song.ogg", "audio/ogg", b"OggS"),
    ("film.webm", "video/webm", b"film"),
    ("paper.pdf", "application/pdf", b"%PDF-1.4"),
    ("words.txt", "text/plain", b"just words\n" * 100),
    ("deleted.bin", "application/octet-stream", b"no longer wanted"),
)
PROBES = """
from zope.component import getUtility
from zope.security.proxy import removeSecurityProxy
from librarian.mirrors.interfaces import IDistributionSet
[mirror] = removeSecurityProxy(getUtility(IDistributionSet)["ubuntu"]).mirrors
for verdict in ("failed", "good"):
    record = removeSecurityProxy(mirror).newProbeRecord(BytesIO(b"the log of a probe"))
    removeSecurityProxy(record).verdict = verdict
transaction.commit()
"""


class Furnished(Chromium):
    """The browser, and a server with files, folders, machines, mirrors, a spool and a tracker."""

    site: ClassVar[MachinesSite]
    folder: ClassVar[Any]
    ids: ClassVar[dict[str, int]]  # of files, by their names without extensions
    drop: ClassVar[str]  # the URL of an upload link

    @classmethod
    def setUp(cls) -> None:
        Furnished.folder = tempfile.TemporaryDirectory(prefix="librarian-furnished-")
        folder = Path(cls.folder.name)
        (folder / "partners.ini").write_text(PARTNER.format(folder))
        Furnished.site = MachinesSite(SETTINGS.format(folder))
        Furnished.ids = {name.partition(".")[0]: _add(name, mimetype, data) for name, mimetype, data in FILES}
        cls.ids["letter"] = _add("letter.txt", "text/plain", b"dear reader", "restricted-upload")
        _use_files()
        _fill_tree()
        _run_machines()
        _register_mirror()
        _fill_spool(folder)
        _fill_tracker(folder)

    @classmethod
    def tearDown(cls) -> None:
        Furnished.site.remove()
        Furnished.folder.cleanup()


def _put(url: str, body: bytes, mimetype: str) -> Any:
    headers = {"Authorization": Furnished.site.basic, "Content-Type": mimetype}
    answer = Furnished.site.server.request("PUT", url, body=body, headers=headers)
    assert answer.status in (200, 201), answer.data
    return answer.json()


def _add(name: str, mimetype: str, data: bytes, endpoint: str = "upload") -> int:
    return int(_put(Furnished.site.server.urls[endpoint] + name, data, mimetype)["id"])


def _use_files() -> None:
    """A link, a hold, an upload link, and a file in the trash."""
    site, ids = Furnished.site, Furnished.ids
    site.as_admin(f"/files/{ids['letter']}/+tokens", lifetime="1h")
    site.as_admin(f"/files/{ids['words']}/+holds", reason="a reader")
    site.as_admin(f"/files/{ids['deleted']}/+delete")
    made = urlsplit(site.as_admin("/+upload-links", wanted="Your film", restricted="false", uses=2)["url"])
    Furnished.drop = site.server.urls["public"].rstrip("/") + made.path


def _fill_tree() -> None:
    """A file of two versions, a README and an empty folder."""
    tree = f"{Furnished.site.app}/tree/poems"
    for path, text in (
        ("ode.txt?parents=true", b"an ode"),
        ("ode.txt", b"an ode, again"),
        ("README", b"Read"),
    ):
        _put(f"{tree}/{path}", text, "text/plain")
    Furnished.site.as_admin("/tree/poems/", folder="drafts")


def _run_machines() -> None:
    """A machine with a job, one that has left, and an import."""
    daemon = Furnished.site.daemon
    for hostname in ("apollo", "boris"):
        daemon.post(f"/+scheduler/{hostname}/arrive")
    daemon.post("/+scheduler/boris/leave")
    source = "https://example.com/gimp.git"
    daemon.post("/+imports", name="gimp", rcs_type="GIT", url=source, review_status="REVIEWED")
    job = daemon.post("/+scheduler/apollo/poll", worker_limit=1)["job"]["job_id"]
    daemon.post(f"/+scheduler/apollo/jobs/{job}/start")
    daemon.post(f"/+scheduler/apollo/jobs/{job}/heartbeat", logtail="Fetching\n" * 8)


def _register_mirror() -> None:
    """A distribution with a mirror that was probed twice."""
    site = Furnished.site
    site.as_admin("/mirrors", name="ubuntu", display_name="Ubuntu", main_url="http://archive.example/u/")
    site.as_admin(
        "/mirrors/ubuntu/+register", name="near", country="BR", http_base_url="http://near.example/u/"
    )
    site.server.component(PROBES)


def _fill_spool(folder: Path) -> None:
    """A file that waits, one that is stuck, and one that was sent."""
    for name in ("tmp", "new", "cur"):
        (folder / "spool" / name).mkdir(parents=True)
    for name in ("news.xml", "write"):
        (folder / "spool" / "new" / name).write_text("<news/>")
    target = read_targets(folder / "partners.ini", "export", passwords=False)["cds"]
    with Ledger(ledger_path("export", target), SystemClock()) as ledger:
        entry = ledger.note(Entry("old.xml", "1", "temp"), Stage.DELIVERED, size=7, sha256="ab" * 32)
        ledger.note(entry, Stage.CLOSED)


def _fill_tracker(folder: Path) -> None:
    """A name with two versions, and a directory beside it."""
    store = RemoteDataStore(Furnished.site.server.urls["tracker"])
    for name, text in (("/d/a@5", "5"), ("/d/a@6", "6"), ("/d/e/f@7", "7")):
        (folder / "draft").write_text(text)
        store.add_file(name, str(folder / "draft"))
