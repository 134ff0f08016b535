"""The application under a server that receives bodies: what comes in is received first, piece by piece."""

import unittest
from collections.abc import Iterable
from typing import Any

from zope.component import getUtility

from librarian.serving.http.bodies import Receiving
from librarian.store.interfaces import DigestMismatch, IByteStore, SizeMismatch, StoreFull
from librarian.testing import application
from librarian.web.bare import bare_refusal
from librarian.web.interfaces import FormUnreadable
from librarian.web.requests.form_files import (
    FormReceiving,
    ReceivedForm,
    is_form_with_files,
    pass_form_on,
)
from librarian.web.requests.promises import promised_hashes
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
        except (StoreFull, SizeMismatch, FormUnreadable, DigestMismatch) as error:
            status, headers, body = bare_refusal(
                None, 507 if isinstance(error, StoreFull) else 400, str(error)
            )
            start_response(status, headers)
            return [body]
        self.received += 1
        try:
            return [b"".join(self.app(environ, start_response))]
        finally:
            forget(environ)

    def _receive(self, environ: dict[str, Any], length: int) -> None:
        store = getUtility(IByteStore)
        is_form = environ["SERVER_PORT"] == "6543" and environ["REQUEST_METHOD"] == "POST"
        receiving: Receiving = store.receive(length)
        if is_form and is_form_with_files(environ):
            receiving = FormReceiving(store, environ["CONTENT_TYPE"], promised_hashes(environ), length)
        try:
            left = length
            while left and (piece := environ["wsgi.input"].read(min(PIECE, left))):
                receiving.write(piece)
                left -= len(piece)
            whole = receiving.finish()
        except BaseException:
            receiving.abort()
            raise
        if isinstance(whole, ReceivedForm):
            pass_form_on(environ, whole)
        else:
            pass_on(environ, whole)


class ReceivedBodies(unittest.TestCase):
    """A mixin: the tests of a class once more, with bodies that the server has received."""

    def setUp(self) -> None:
        super().setUp()
        before = application._application[0]
        self.server = ReceivingServer(before)
        application.connect(self.server)
        self.addCleanup(application.connect, before)
