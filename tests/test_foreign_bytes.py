"""Every parser of foreign bytes refuses what it cannot read with its one declared error."""

import gzip
import io
import lzma
import tempfile
import time
import unittest
from functools import partial
from pathlib import Path

from pyramid.httpexceptions import HTTPBadRequest

from librarian.interfaces import Fetched
from librarian.library import client
from librarian.library.backup.interfaces import NoBackup
from librarian.library.counts import log_lines as accesslogs
from librarian.library.counts.interfaces import MalformedLine
from librarian.library.filenames import check_content_type, check_filename
from librarian.library.interfaces import (
    InvalidContentType,
    InvalidExpiry,
    InvalidFilename,
    LibrarianServerError,
    UnreadableLog,
    UploadFailed,
)
from librarian.machines.agent.interfaces import Refused, Unreachable
from librarian.mirrors.archive import signatures
from librarian.mirrors.archive.indices import parse_index
from librarian.mirrors.archive.interfaces import MalformedArchive
from librarian.mirrors.archive.release_file import parse_release
from librarian.mirrors.base_urls import check_base_url, normal_url
from librarian.mirrors.importing.manifests import import_images, import_json
from librarian.mirrors.interfaces import BadBaseURL, BadImport
from librarian.mirrors.probing.interfaces import ProbeFailed
from librarian.mirrors.probing.transport import ftp as probing_ftp
from librarian.mirrors.probing.transport.redirects import follow
from librarian.people import identity
from librarian.people.credentials.interfaces import NoSuchScope
from librarian.people.credentials.scopes import granted_scope
from librarian.people.interfaces import MalformedAuthorization
from librarian.remote.connection import answered, refusal
from librarian.remote.interfaces import TransferFailed
from librarian.spool.ftp import replies
from librarian.spool.interfaces import ReplyError
from librarian.tracker.client import interfaces as tracker_errors
from librarian.tracker.client.versioned_names import check_name
from librarian.tracker.client.wire.gunzip import GunzipReader
from librarian.tracker.client.wire.version_dates import date_to_version
from librarian.tracker.interfaces import TrackerRefusal
from librarian.tracker.protocol import (
    delete_version,
    parse_path,
    put_version,
    wanted_version,
)
from librarian.web import digests
from librarian.web.access_log.masking import masked
from librarian.web.files import conditions, ranges
from librarian.web.files.disposition import content_disposition
from librarian.web.interfaces import FormTooLarge, FormUnreadable, MalformedDigest
from librarian.web.requests import hosts
from tests.foreign_readers import (
    InFolder,
    answer,
    condition,
    expiry,
    form,
    import_of,
    listed_names,
    listing,
    packed_index,
    parts,
    scheduler_client,
    session,
    surrogates,
    tracker,
    tracker_header,
    tus_metadata,
    upload_header,
    words,
)
from tests.foreign_samples import (
    DIGEST,
    KEYRING,
    LEDGER,
    LOG,
    LOG_JSON,
    MANIFEST,
    PACKAGES,
    PARTS,
    PUBLICATIONS,
    RECORD,
    REFUSAL,
    RELEASE,
    SIGNED,
    SOURCES,
    STATUS,
)
from tests.fuzz.corpus import kept
from tests.support.mutation import CALLS, SEED, Target, mutations


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
        Target("multipart", parts, (FormUnreadable, FormTooLarge), [PARTS]),
        Target("tus metadata", tus_metadata, (HTTPBadRequest,), [b"filename YS50eHQ=,restricted dHJ1ZQ==,x"]),
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
    for body in (*kept(target.name), *mutations(target)):
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
