"""Receivers that are slow, lying, redirecting, or inside the network."""

import socket
import threading
import unittest
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from librarian.events.interfaces import HookAnswer
from librarian.events.sending import MOST_BODY, HookSender
from tests.support.layers import Functional
from tests.support.world import overlay

OPEN = "[librarian.events]\nallowed_networks = 127.0.0.0/8\ntimeout = {}\n"


@contextmanager
def server(talk: Callable[[socket.socket], object]) -> Iterator[tuple[str, list[bytes]]]:
    """The URL of a server of one connection, which gets a request and then lets `talk` answer."""
    listener, got = socket.create_server(("127.0.0.1", 0)), []

    def serve() -> None:
        try:
            connection, _peer = listener.accept()
        except OSError:
            return  # none came
        with connection:
            request = b""
            while not request.endswith(b"event") and (block := connection.recv(65536)):
                request += block
            if request:
                got.append(request)
            try:
                talk(connection)
            except OSError:
                pass  # the client has left

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/hook", got
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()
        listener.close()


def send(url: str) -> HookAnswer:
    return HookSender().send(url, {"Content-Type": "text/plain", "webhook-id": "msg_1"}, b"event")


class SendingTests(unittest.TestCase):
    layer = Functional

    def test_an_answer(self) -> None:
        with (
            overlay(OPEN.format("1m")),
            server(lambda c: c.sendall(b"HTTP/1.1 200 OK\r\n\r\nthanks")) as (url, got),
        ):
            self.assertEqual(send(url), HookAnswer(200, "thanks"))
        self.assertIn(b"webhook-id: msg_1", got[0])
        self.assertTrue(got[0].endswith(b"event"))

    def test_a_redirect_is_an_answer_and_not_followed(self) -> None:
        moved = b"HTTP/1.1 307 Moved\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n"
        with overlay(OPEN.format("1m")), server(lambda c: c.sendall(moved)) as (url, _got):
            answer = send(url)
        self.assertEqual((answer.status, answer.accepted), (307, False))

    def test_of_an_endless_body_the_beginning_is_kept(self) -> None:
        def endless(connection: socket.socket) -> None:
            connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            while True:
                connection.sendall(b"x" * 65536)

        with overlay(OPEN.format("1m")), server(endless) as (url, _got):
            self.assertEqual(send(url), HookAnswer(200, "x" * MOST_BODY))

    def test_a_receiver_that_drips_or_is_silent_is_given_up(self) -> None:
        left = threading.Event()

        def drip(connection: socket.socket) -> None:
            while not left.wait(0.05):
                connection.sendall(b"H")

        for talk in (drip, lambda connection: left.wait(30)):
            left.clear()
            with overlay(OPEN.format("1s")), server(talk) as (url, _got):
                self.assertEqual(send(url), HookAnswer(None, "no answer in time"))
                left.set()

    def test_what_is_no_http(self) -> None:
        with overlay(OPEN.format("1m")), server(lambda c: c.sendall(b"220 FTP\r\n")) as (url, _got):
            self.assertIsNone(send(url).status)

    def test_private_addresses_are_refused_before_anything_is_sent(self) -> None:
        with server(lambda connection: None) as (url, got):
            for each in (url, url.replace("127.0.0.1", "localhost"), url.replace("127.0.0.1", "[::1]")):
                answer = send(each)
                self.assertIsNone(answer.status)
                self.assertIn("librarian.events.allowed_networks", answer.text)
        self.assertEqual(got, [])

    def test_nothing_listens(self) -> None:
        with server(lambda connection: None) as (url, _got):
            pass
        with overlay(OPEN.format("1m")):
            self.assertIsNone(send(url).status)
