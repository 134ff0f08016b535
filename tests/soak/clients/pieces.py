"""Uploads in pieces: tuspy, over connections that are cut, and over restarts of the server."""

import io
import time
from typing import Any
from urllib.parse import urlsplit

from tusclient.client import TusClient

from tests.soak.clients.base import HttpClient, digest
from tests.soak.ledger import Key
from tests.soak.watch import Wrong
from tests.soak.world import told

SIZES = (1, 300_000, 900_000, 2_500_000)  # bytes; the longer ones are cut
RETRIES, DELAY = 120, 0.5  # longer than a restart takes


class Pieces(HttpClient):
    """tuspy, which goes on where it was cut off."""

    kind = "tus"
    rate = 0.25
    deeds = {"upload": 5, "give_up": 1}  # noqa: RUF012  # constant

    def _uploader(self, data: bytes, **options: Any) -> Any:
        names = {"filename": self.new_name(), "filetype": "application/x-soak"}
        client = TusClient(f"{self.world.relay.url}+uploads")
        stream = io.BytesIO(data)
        return client.uploader(file_stream=stream, metadata=names, retry_delay=DELAY, **options)

    def upload(self) -> None:
        data, begun = self.chance.randbytes(self.chance.choice(SIZES)), time.monotonic()
        in_chunks = {"chunk_size": 200_000, "upload_checksum": True} if self.chance.random() < 0.3 else {}
        uploader = self._uploader(data, retries=RETRIES, **in_chunks)
        uploader.upload()
        file = told(self.ask("GET", "upload", urlsplit(uploader.url).path, 200))["file"]
        self.world.ledger.add(Key("public", urlsplit(file["url"]).path), digest(data), begun)
        if file["sha256"] != digest(data):
            raise Wrong(f"{uploader.url}: another digest")

    def give_up(self) -> None:
        """An upload that its client never goes on with, or cancels."""
        uploader = self._uploader(self.chance.randbytes(300_000), chunk_size=100_000)
        uploader.upload_chunk()
        if self.chance.random() < 0.5:
            cancelled = {"Tus-Resumable": "1.0.0"}
            self.ask("DELETE", "upload", urlsplit(uploader.url).path, 204, headers=cancelled)
