"""Our parsers of foreign bytes, each as a function of the bytes alone."""

import io
from datetime import UTC
from pathlib import Path
from typing import Any
from unittest import mock

import urllib3

from librarian.clock import SystemClock
from librarian.library.backup.manifests import read_manifest
from librarian.library.counts.log_reading import LogReader
from librarian.library.http.request_bodies import stated_expires
from librarian.library.uploads.views.tus import stated_metadata
from librarian.machines.agent.scheduler_client import Api, HTTPSchedulerClient
from librarian.mirrors.archive.indices import parse_index, unpacked
from librarian.mirrors.model.distributions import MirrorsSubtree
from librarian.spool.ftp.session import Session
from librarian.spool.model.ledger import Entry, Ledger
from librarian.store import room
from librarian.store.memory import MemoryStore
from librarian.tracker.client.stores.checksums import Records
from librarian.tracker.client.stores.remote import RemoteDataStore
from librarian.tracker.client.wire.downloads import Head
from librarian.tracker.client.wire.transport import Transport
from librarian.tracker.protocol import (
    declared_upload,
)
from librarian.web.files import conditions
from librarian.web.forms import fields_of
from librarian.web.requests.form_files import FormReceiving
from librarian.web.requests.request import Request
from tests.foreign_samples import (
    DIGEST,
    NOW,
)


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
    return fields_of(Request.blank("/", method="POST", body=body, content_type="application/json"))


def parts(body: bytes) -> object:
    """A form with files, in pieces that cut its lines."""
    receiving = FormReceiving(MemoryStore(SystemClock()), "multipart/form-data; boundary=B", {})
    try:
        for start in range(0, len(body), 7):
            receiving.write(body[start : start + 7])
        return len(receiving.finish().fields)
    finally:
        receiving.abort()


def tus_metadata(text: bytes) -> object:
    return stated_metadata(Request.blank("/", headers={"Upload-Metadata": words(text)}))


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
