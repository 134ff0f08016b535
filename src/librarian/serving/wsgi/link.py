"""The way of answers from the application's threads into the loop."""

from typing import Any, BinaryIO

from librarian.serving.wsgi.application import Application
from librarian.serving.wsgi.exchange import FileBody, Link, WSGIExchange
from librarian.serving.wsgi.outgoing import Outgoing
from librarian.store.interfaces import IReceiving


class ApplicationLink(Link):
    """The way from a thread of the application to its connection."""

    def __init__(self, connection: Any, application: Application) -> None:
        self._connection = connection
        self._application = application
        self._in_loop = application.in_loop

    def send_whole(self, data: bytes, keeps_open: bool) -> None:
        self._in_loop(self._connection.run_or_abort, self._connection.send_whole, data, keeps_open)

    def send_file(self, head: bytes, file: FileBody, size: int, keeps_open: bool) -> None:
        self._in_loop(self._connection.run_or_abort, self._connection.send_file, head, file, size, keeps_open)

    def send_stream(self, stream: Outgoing, keeps_open: bool) -> None:
        self._in_loop(self._connection.run_or_abort, self._connection.send_stream, stream, keeps_open)

    def go_on(self, interim: bytes, receiving: IReceiving | None) -> None:
        self._in_loop(self._connection.run_or_abort, self._connection.go_on, interim, receiving)

    def call_again(self, exchange: WSGIExchange) -> None:
        self._in_loop(self._application.submit, exchange)

    def refuse_fault(self) -> None:
        self._in_loop(self._connection.run_or_abort, self._connection.refuse_fault)

    def cut(self) -> None:
        self._in_loop(self._connection.run_or_abort, self._connection.cut)

    def new_file(self) -> BinaryIO:
        return self._connection.new_file()
