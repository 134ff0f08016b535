"""The application under a server that receives bodies: what comes in is received first, piece by piece."""

import json
import unittest
from collections.abc import Iterable
from typing import Any

from zope.component import getUtility

from librarian.store.interfaces import IByteStore, SizeMismatch, StoreFull
from librarian.testing import application
from librarian.web.requests.received import forget, pass_on

PIECE = 50_000  # bytes


class ReceivingServer:
    """A WSGI middleware that does with a body what a receiving server does, and counts them."""

    def __init__(self, app: Any) -> None:
        self.app = app
        self.received = 0

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        length = environ.get("CONTENT_LENGTH")
        if length in (None, "", "0"):  # without one the end is not known here
            return self.app(environ, start_response)
        try:
            self._receive(environ, int(length))
        except (StoreFull, SizeMismatch) as error:
            full = isinstance(error, StoreFull)
            status = "507 Insufficient Storage" if full else "400 Bad Request"
            start_response(status, [("Content-Type", "application/json")])
            return [json.dumps({"error": str(error)}).encode()]
        self.received += 1
        try:
            return [b"".join(self.app(environ, start_response))]
        finally:
            forget(environ)

    def _receive(self, environ: dict[str, Any], length: int) -> None:
        receiving = getUtility(IByteStore).receive(length)
        try:
            left = length
            while left and (piece := environ["wsgi.input"].read(min(PIECE, left))):
                receiving.write(piece)
                left -= len(piece)
            pass_on(environ, receiving.finish())
        except BaseException:
            receiving.abort()
            raise


class ReceivedBodies(unittest.TestCase):
    """A mixin: the tests of a class once more, with bodies that the server has received."""

    def setUp(self) -> None:
        super().setUp()
        before = application._application[0]
        self.server = ReceivingServer(before)
        application.connect(self.server)
        self.addCleanup(application.connect, before)
