"""Every parser of foreign bytes refuses what it cannot read with its one declared error."""

import gzip
import io
import json
import lzma
import tempfile
import time
import unittest
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

import urllib3
from pyramid.httpexceptions import HTTPBadRequest

from librarian.commands.common.http import answered, refusal
from librarian.commands.interfaces import TransferFailed
from librarian.interfaces import Fetched
from librarian.library import client
from librarian.library.backup.interfaces import NoBackup
from librarian.library.backup.manifests import read_manifest
from librarian.library.counts import log_lines as accesslogs
from librarian.library.counts.interfaces import MalformedLine
from librarian.library.counts.log_reading import LogReader
from librarian.library.filenames import check_content_type, check_filename
from librarian.library.http.bodies import stated_expires
from librarian.library.interfaces import (
    InvalidContentType,
    InvalidExpiry,
    InvalidFilename,
    LibrarianServerError,
    UnreadableLog,
    UploadFailed,
)
from librarian.machines.agent.interfaces import Refused, Unreachable
from librarian.machines.agent.scheduler_client import Api, HTTPSchedulerClient
from librarian.mirrors.archive import signatures
from librarian.mirrors.archive.indices import parse_index, unpacked
from librarian.mirrors.archive.interfaces import MalformedArchive
from librarian.mirrors.archive.release import parse_release
from librarian.mirrors.base_urls import check_base_url, normal_url
from librarian.mirrors.importing.manifests import import_images, import_json
from librarian.mirrors.interfaces import BadBaseURL, BadImport
from librarian.mirrors.model.distributions import MirrorsSubtree
from librarian.mirrors.probing.interfaces import ProbeFailed
from librarian.mirrors.probing.transport import ftp as probing_ftp
from librarian.mirrors.probing.transport.redirects import follow
from librarian.people import identity
from librarian.people.credentials.interfaces import NoSuchScope
from librarian.people.credentials.scopes import granted_scope
from librarian.people.interfaces import MalformedAuthorization
from librarian.spool.ftp import replies
from librarian.spool.ftp.session import Session
from librarian.spool.interfaces import ReplyError
from librarian.spool.model.ledger import Entry, Ledger
from librarian.store import room
from librarian.tracker.client import interfaces as tracker_errors
from librarian.tracker.client.file_names import check_name
from librarian.tracker.client.stores.checksums import Records
from librarian.tracker.client.stores.remote import RemoteDataStore
from librarian.tracker.client.wire.downloads import Head
from librarian.tracker.client.wire.gunzip import GunzipReader
from librarian.tracker.client.wire.transport import Transport
from librarian.tracker.client.wire.version_dates import date_to_version
from librarian.tracker.interfaces import TrackerRefusal
from librarian.tracker.protocol import (
    declared_upload,
    delete_version,
    parse_path,
    put_version,
    wanted_version,
)
from librarian.web import digests
from librarian.web.access_log.masking import masked
from librarian.web.files import conditions, ranges
from librarian.web.files.disposition import content_disposition
from librarian.web.forms import sent
from librarian.web.interfaces import MalformedDigest
from librarian.web.requests import hosts
from librarian.web.requests.request import Request
from tests.support.mutation import CALLS, SEED, Target, mutations

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
DIGEST = "0a" * 32

RELEASE = f"""Origin: Sample
Suite: hoary
Codename: hoary
Version: 5.04
Date: Sun, 01 Mar 2026 12:00:00 UTC
Valid-Until: Sun, 08 Mar 2026 12:00:00 UTC
Architectures: i386 all
Components: main updates/restricted
Acquire-By-Hash: yes
SHA256:
 {DIGEST} 1234 main/binary-i386/Packages.gz
 {DIGEST}  999 main/source/Sources.xz
""".encode()
SIGNED = b"-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n\n" + RELEASE
SIGNED += b"-----BEGIN PGP SIGNATURE-----\n\niHUE\n"
PACKAGES = f"""Package: pmount
Source: pmount-src (2:1.9)
Version: 2:1.9-1
Architecture: i386
Filename: pool/main/p/pmount/pmount_1.9-1_i386.deb
Size: 1234
SHA256: {DIGEST}
Description: mounts
 things

Package: partman
Version: 0.1-1
Filename: ./pool/main/p/partman/partman_0.1-1_i386.udeb
Size: 12
""".encode()
SOURCES = f"""Package: alsa-utils
Version: 1.0.9a-4
Directory: pool/main/a/alsa-utils
Files:
 {"0a" * 16} 700 alsa-utils_1.0.9a-4.dsc
 {"0a" * 16} 90000 alsa-utils_1.0.9a.orig.tar.gz
Checksums-Sha256:
 {DIGEST} 700 alsa-utils_1.0.9a-4.dsc
 {DIGEST} 90000 alsa-utils_1.0.9a.orig.tar.gz
""".encode()
PUBLICATIONS = json.dumps(
    {
        "releases": [{"name": "hoary", "version": "5.04", "components": ["main"], "architectures": ["i386"]}],
        "publications": [
            {"release": "hoary", "pocket": "updates", "component": "main", "architecture": "i386",
             "source": "pmount", "version": "2:1.9-1", "date": "2005-06-20T00:00:00Z",
             "path": "pool/main/p/pmount/pmount_1.9-1_all.deb", "size": 42, "sha256": DIGEST}
        ],
    }
).encode()  # fmt: skip
KEYRING = b"""-----BEGIN PGP PUBLIC KEY BLOCK-----
Version: 2

mDMEZ0aBcD==
=abcd
-----END PGP PUBLIC KEY BLOCK-----
"""
LOG = (
    b'10.0.0.1 - jane [01/Nov/2006:05:10:39 +0200] "GET /12345/a%20b.deb?x=1 HTTP/1.1" 200 512 "-" "curl/8"\n'
)
LOG_JSON = (
    b'{"client": "10.0.0.1", "time": "2026-03-01T12:00:00+00:00", "method": "GET", "target": "http://h/1/x",'
    b' "status": 206, "size": 7, "agent": "curl"}'
)
LEDGER = b"".join(
    json.dumps(record).encode() + b"\n"
    for record in (
        {"event": "file", "name": "a", "identity": "1", "temp": ".a.part", "stage": "begun", "size": None},
        {"event": "file", "name": "a", "identity": "1", "temp": ".a.part", "stage": "delivered", "size": 3,
         "sha256": DIGEST, "at": "2026-03-01T12:00:00+00:00"},
        {"event": "lock", "nonce": "ab", "text": "This is", "at": "2026-03-01T12:00:00+00:00", "held": True},
        {"event": "unlock", "nonce": "ab"},
    )
)  # fmt: skip
RECORD = json.dumps({"version": 5, "size": 3, "sha256": DIGEST, "stamp": "1:2:3:4:x"}).encode()
MANIFEST = json.dumps(
    {"format": 1, "made": "2026-03-01T12:00:00+00:00", "last_transaction": "03ff", "tree_size": 5,
     "tree_sha256": DIGEST, "contents": 1, "bytes": 2, "contents_sha256": DIGEST, "copied": 1, "damaged": []}
).encode()  # fmt: skip
STATUS = json.dumps(
    {"state": "ONLINE", "pinned": False, "cordoned": False, "note": "",
     "job": {"job_id": 7, "code_import": "x", "rcs_type": "GIT", "url": "https://h/x"}}
).encode()  # fmt: skip
REFUSAL = b'{"error": "no such file"}'


def words(text: bytes) -> str:
    """As a header or a name arrives: any bytes, read as Latin-1 where they are no UTF-8."""
    try:
        return text.decode()
    except UnicodeDecodeError:
        return text.decode("latin-1")


def surrogates(text: bytes) -> str:
    return text.decode(errors="surrogateescape")


def answer(body: bytes, status: int = 200, headers: Any = None) -> Any:
    """An answer of a server, as urllib3 gives it."""
    return urllib3.HTTPResponse(io.BytesIO(body), headers, status, preload_content=False)


def import_of(take: Any, text: Any) -> object:
    subtree = MirrorsSubtree()
    return take(subtree.new_distribution("ubuntu", "Ubuntu", None), text)


def tracker(body: bytes, ask: Any) -> object:
    """What a tracker's client makes of a server that answers with `body`."""
    transport = mock.Mock(spec=Transport, base_url="http://h")
    transport.request.side_effect = lambda *arguments, **options: answer(body)
    return ask(RemoteDataStore("http://h", transport=transport))


def listed_names(store: RemoteDataStore) -> list[str]:
    store._protocol = 2
    return store.list_names()


def packed_index(extension: str, body: bytes) -> object:
    return list(parse_index(unpacked(body, extension), sources=False))


def upload_header(name: str, value: bytes) -> object:
    headers = {"sha256-checksum": DIGEST, "content-encoding": "gzip", name: words(value)}
    return declared_upload(headers, 12, 1 << 40)


def tracker_header(name: str, value: bytes) -> object:
    headers = {"Last-Modified": "Thu, 01 Jan 2026 00:01:40 GMT", name: words(value)}
    return Head.of(answer(b"", headers=headers), "/a")


def condition(name: str, value: bytes) -> object:
    text, etag = words(value), f'"{DIGEST}"'
    return (
        conditions.failed_condition({name: text}, etag, NOW),
        conditions.refuses_write({name: text}, etag),
        conditions.range_applies(text, etag, NOW, date_is_strong=True),
    )


def scheduler_client(body: bytes, status: int = 200) -> object:
    api = Api("http://h", "token")
    api._pool = mock.Mock()
    api._pool.request.return_value = answer(body, status)
    return HTTPSchedulerClient(api, "apollo").poll(1)


def session(reply: bytes, ask: Any) -> object:
    """An FTP session whose server answers every command with `reply`."""
    made = Session.__new__(Session)
    made._ftp = mock.Mock()
    made._ftp.sendcmd.return_value = surrogates(reply)
    made._digest = ("sha256", "XSHA256")
    return ask(made)


def listing(body: bytes, ask: Any, *features: str) -> object:
    made = Session.__new__(Session)
    made.features = dict.fromkeys(features, "")
    with mock.patch.object(Session, "receive", return_value=body):
        return ask(made)


def form(body: bytes) -> object:
    return sent(Request.blank("/", method="POST", body=body, content_type="application/json"))


def expiry(text: bytes) -> object:
    """The moment is worked with, as the library does, or an error is not seen before it is stored."""
    found = stated_expires(Request.blank("/", headers={"Librarian-Expires": words(text)}))
    return found and found.astimezone(UTC)


class InFolder:
    """Parsers that read files of their own get each input as such a file."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def _written(self, name: str, body: bytes) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)
        return path

    def ledger(self, body: bytes) -> object:
        with Ledger(self._written("ledger/x", body), mock.Mock(now=lambda: NOW)) as ledger:
            entries: list[Entry] = list(ledger.entries.values())
            return [abs(entry.size or 0) for entry in entries], sorted(ledger.locks)

    def record(self, body: bytes) -> object:
        self._written("records/a@", body)
        found = Records(str(self.folder / "records")).read("/a")
        return found and (found.version + found.size, found.sha256.lower(), found.stamp.lower())

    def manifest(self, body: bytes) -> object:
        self._written("manifest.json", body)
        found = read_manifest(self.folder)
        return found.tree_size + found.contents, found.tree_sha256.lower()

    def access_log(self, body: bytes) -> object:
        with LogReader.open(self._written("access.log.gz", body)) as reader:
            return sum(len(line) for line in reader.lines())

    def room(self, body: bytes) -> object:
        with self._written("room", body).open("rb") as file:
            return room._parse(file.fileno())


def targets(folder: Path) -> list[Target]:
    """All of them; a parser that promises never to raise has no error to name."""
    here = InFolder(folder)
    malformed, tracker_error = (MalformedArchive,), (tracker_errors.FiletrackerError,)
    return [
        # archives and mirrors
        Target("Release", parse_release, malformed, [RELEASE, SIGNED]),
        Target(
            "Packages", lambda body: list(parse_index(io.BytesIO(body), sources=False)), malformed, [PACKAGES]
        ),
        Target(
            "Sources", lambda body: list(parse_index(io.BytesIO(body), sources=True)), malformed, [SOURCES]
        ),
        *(
            Target(
                f"Packages{extension}",
                partial(packed_index, extension),
                malformed,
                [pack(PACKAGES)],
            )
            for extension, pack in ((".gz", gzip.compress), (".xz", lzma.compress))
        ),
        Target("keyring", signatures._binary_keyring, malformed, [KEYRING]),
        Target("publications", lambda body: import_of(import_json, body), (BadImport,), [PUBLICATIONS], True),
        Target(
            "images",
            lambda body: import_of(import_images, surrogates(body).splitlines()),
            (BadImport,),
            [b"ubuntu\thoary\thoary/a.iso\t700\nkubuntu\thoary\thoary/b.iso\t12\n"],
        ),
        Target(
            "redirect",
            lambda text: follow("http://h/d/a.gz", "http://h/d/a.gz", surrogates(text)),
            (ProbeFailed,),
            [b"http://mirror.example:8080/d/a.gz#x", b"/other/a.gz", b"//[::1]:80/a.gz"],
        ),
        Target(
            "base URL",
            lambda text: normal_url(check_base_url(words(text), "http", "https", "ftp")),
            (BadBaseURL,),
            [b"http://mirror.example:8080/pub/", b"ftp://[::1]/x"],
        ),
        # FTP servers
        Target(
            "SIZE",
            lambda reply: session(reply, lambda one: one.size("a")),
            (ReplyError,),
            [b"213 1234"],
        ),
        Target(
            "MDTM",
            lambda reply: session(reply, lambda one: one.modified("a")),
            (),
            [b"213 20260301120000.123"],
        ),
        Target(
            "HASH", lambda reply: session(reply, lambda one: one.digest("a")), (), [b"250 " + DIGEST.encode()]
        ),
        Target(
            "reply code", lambda reply: ReplyError(surrogates(reply)).code, (), [b"550 no", "²²² x".encode()]
        ),
        Target(
            "reply code of a mirror",
            lambda reply: probing_ftp._reply_code(Exception(surrogates(reply))),
            (),
            [b"550 no", "²²² x".encode()],
        ),
        Target(
            "MLSD",
            lambda body: listing(body, lambda one: one.facts(), "MLST"),
            (),
            [b"type=file;size=12;modify=20260301120000; a b\r\ntype=dir;UNIX.mode=0755; c\r\n"],
        ),
        Target("NLST", lambda body: listing(body, lambda one: one.names()), (), [b"a\r\n./b\r\n/x/c d\r\n"]),
        Target(
            "FEAT",
            lambda text: replies.digest_command({"HASH": surrogates(text)}),
            (),
            [b"SHA-256*;SHA-1;MD5"],
        ),
        Target("FTP time", lambda text: replies.parse_time(surrogates(text)), (), [b"20260301120000.5"]),
        Target("ledger", here.ledger, (), [LEDGER, *LEDGER.splitlines()], True),
        # access logs
        Target(
            "log line",
            lambda line: accesslogs.read_line(line.decode("utf-8", "backslashreplace")),
            (MalformedLine,),
            [LOG, LOG_JSON],
        ),
        Target(
            "log line in JSON",
            lambda line: accesslogs.read_line(line.decode("utf-8", "backslashreplace")),
            (MalformedLine,),
            [LOG_JSON],
            True,
        ),
        Target("packed log", here.access_log, (UnreadableLog,), [gzip.compress(LOG * 9, mtime=0)]),
        # the tracker and its client
        Target(
            "gzip stream",
            lambda body: len(GunzipReader(io.BytesIO(body).read, 10_000).read()),
            tracker_error,
            [gzip.compress(PACKAGES, mtime=0), gzip.compress(b"a", mtime=0) + gzip.compress(b"b", mtime=0)],
        ),
        Target(
            "tracker date",
            lambda text: date_to_version(words(text)),
            tracker_error,
            [b"Thu, 01 Jan 2026 00:01:40 GMT", b"1 Mar 2026 12:00 +0200", b"Sunday, 01-Mar-26 12:00:00 EST"],
        ),
        Target(
            "tracker name", lambda text: check_name(surrogates(text)), tracker_error, [b"/a/b\xc3\xa4@123"]
        ),
        Target(
            "tracker path",
            lambda text: parse_path(text.decode("latin-1")),
            (TrackerRefusal,),
            [b"/files/a/b@5", b"/list/x", b"/version/"],
        ),
        Target(
            "tracker query",
            lambda text: (
                put_version({"last_modified": words(text)}, None, is_version_2=True),
                delete_version({}, words(text)),
            ),
            (TrackerRefusal,),
            [b"Thu, 01 Jan 2026 00:01:40 GMT"],
        ),
        Target(
            "tracker version",
            lambda text: wanted_version(parse_path("/files/a"), {"version": words(text)}),
            (TrackerRefusal,),
            [b"1273000000"],
        ),
        *(
            Target(
                f"tracker upload's {name}",
                partial(upload_header, name),
                (TrackerRefusal,),
                [value],
            )
            for name, value in (
                ("logical-size", b"1234"),
                ("sha256-checksum", DIGEST.encode()),
                ("content-encoding", b"gzip"),
            )
        ),
        Target("tracker record", here.record, (), [RECORD], True),
        Target(
            "protocol versions",
            lambda body: tracker(body, lambda store: store.protocol),
            tracker_error,
            [b'{"protocol_versions": [1, 2]}'],
            True,
        ),
        Target(
            "history",
            lambda body: tracker(body, lambda store: [dict(one) for one in store.history("/a")]),
            tracker_error,
            [b'{"versions": [{"version": 5, "size": 3}]}'],
            True,
        ),
        Target(
            "list of names",
            lambda body: tracker(body, listed_names),
            tracker_error,
            ["a/b\nc ä\n".encode()],
        ),
        *(
            Target(
                f"{name} of a tracker",
                partial(tracker_header, name),
                tracker_error,
                [value],
            )
            for name, value in (
                ("Last-Modified", b"Thu, 01 Jan 2026 00:01:40 GMT"),
                ("Logical-Size", b"1234"),
            )
        ),
        # what other servers say in JSON
        Target(
            "upload's answer",
            lambda body: client._download_url(Fetched(201, {}, body)).lower(),
            (UploadFailed,),
            [b'{"id": 5, "url": "http://h/5/a"}'],
            True,
        ),
        Target(
            "upload's refusal",
            lambda body: client._download_url(Fetched(503, {}, body)),
            (LibrarianServerError,),
            [REFUSAL],
            True,
        ),
        Target(
            "command's answer",
            lambda body: answered("x", answer(body), "error"),
            (TransferFailed,),
            [REFUSAL],
            True,
        ),
        Target("command's refusal", lambda body: str(refusal("x", answer(body, 404))), (), [REFUSAL], True),
        Target("status", scheduler_client, (Refused, Unreachable), [STATUS], True),
        Target("registry's refusal", lambda body: scheduler_client(body, 403), (Refused,), [REFUSAL], True),
        Target("manifest", here.manifest, (NoBackup,), [MANIFEST], True),
        Target("sum of the store", here.room, (), [b"00000000000000012345\n"]),
        # requests
        Target(
            "ranges",
            lambda text: [
                range(5000)[part.start : part.stop][0]
                for part in ranges.requested_slices(words(text), 5000) or ()
            ],
            (),
            [b"bytes=0-99, 200-, -5", b"bytes=1-1"],
        ),
        Target(
            "digests",
            lambda text: digests.declared_digests(words(text)),
            (MalformedDigest,),
            [digests.repr_digest(DIGEST).encode() + b", md5=:" + b"A" * 22 + b"==:;q=1"],
        ),
        Target("wanted digests", lambda text: digests.wants_sha256(words(text)), (), [b"sha-256=9, sha=0"]),
        Target(
            "HTTP date",
            lambda text: conditions.parse_http_date(words(text)),
            (),
            [
                b"Sun, 01 Mar 2026 12:00:00 GMT",
                b"Sunday, 01-Mar-26 12:00:00 GMT",
                b"Sun Mar  1 12:00:00 2026",
            ],
        ),
        *(
            Target(
                name,
                partial(condition, name),
                (),
                [value],
            )
            for name, value in (
                ("if-none-match", f'W/"x", "{DIGEST}"'.encode()),
                ("if-match", f'"{DIGEST}"'.encode()),
                ("if-modified-since", b"Sun, 01 Mar 2026 12:00:00 GMT"),
                ("if-unmodified-since", b"Sun, 01 Mar 2026 12:00:00 -0000"),
            )
        ),
        Target(
            "expiry",
            expiry,
            (HTTPBadRequest, InvalidExpiry),
            [b"2026-03-01T12:00:00+02:00", b"never"],
        ),
        Target(
            "file name",
            lambda text: content_disposition(check_filename(surrogates(text)), inline=False),
            (InvalidFilename,),
            ["a b\u00e4.deb".encode()],
        ),
        Target(
            "media type",
            lambda text: check_content_type(words(text)),
            (InvalidContentType,),
            [b"text/plain; charset=utf-8"],
        ),
        Target(
            "Basic",
            lambda text: identity._basic(words(text)),
            (MalformedAuthorization,),
            [b"amFuZTpzZWNyZXQ="],
        ),
        Target("scope", lambda text: granted_scope(words(text)), (NoSuchScope,), [b"tracker:read:contest/1"]),
        Target(
            "Host",
            lambda text: hosts.is_known(words(text), (".example.org",)),
            (),
            [b"a.example.org:80", b"[::1]:6543", b"127.0.0.1"],
        ),
        Target("masked URL", lambda text: masked(words(text)), (), [b"/1/a?token=abc&x=%74oken&toke%6E=1"]),
        Target("JSON form", form, (HTTPBadRequest,), [b'{"name": "x", "enabled": true}'], True),
    ]


class ForeignBytes(unittest.TestCase):
    def test_each_parser_raises_its_declared_error_and_no_other(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            for target in targets(Path(folder)):
                with self.subTest(target.name):
                    self.assertEqual(undeclared(target), {})

    def test_each_example_is_taken_or_refused_for_what_it_says(self) -> None:
        """An example that no parser takes would search nothing."""
        refused_as_they_are = {"scope", "upload's refusal", "registry's refusal", "reply code"}
        with tempfile.TemporaryDirectory() as folder:
            for target in targets(Path(folder)):
                if target.name in refused_as_they_are:
                    continue
                for example in target.examples:
                    with self.subTest(target.name, example=example):
                        target.parse(example)


def undeclared(target: Target) -> dict[str, bytes]:
    """What the parser raised without saying so, with an input that makes it; slowness counts too."""
    found: dict[str, bytes] = {}
    for body in mutations(target):
        started = time.process_time()
        try:
            target.parse(body)
        except target.refuses:
            pass
        except Exception as error:  # noqa: BLE001  # any other is what is looked for
            found.setdefault(f"{type(error).__name__} (seed {SEED}, {CALLS} calls)", body[:300])
        if time.process_time() - started > 2:
            found.setdefault("took more than two seconds", body[:300])
    return found


if __name__ == "__main__":
    unittest.main()
