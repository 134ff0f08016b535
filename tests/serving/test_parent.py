"""The parent of workers that die one after another, while their successors take long to start."""

import asyncio
import socket
import unittest
from typing import Any
from unittest.mock import patch

from librarian.serving.sockets import Sockets, bind_slots, listen
from librarian.serving.workers import parent
from librarian.serving.workers.order import STOP, Order
from librarian.serving.workers.parent import Parent


class Worker:
    """A worker in this process, which is ready, and ends, when a test says so."""

    started: "list[Worker]"

    def __init__(self, number: int, sockets: Sockets) -> None:
        self.number, self.pid, self.sockets = number, 100 + number, sockets
        self.begun, self.over = asyncio.Event(), asyncio.Event()
        self.covers: list[Sockets] = []

    @classmethod
    async def start(cls, order: Order, sockets: Sockets, environ: Any) -> "Worker":
        cls.started.append(cls(order.number, sockets))
        return cls.started[-1]

    @property
    def is_running(self) -> bool:
        return not self.over.is_set()

    async def ready(self) -> None:
        await self.begun.wait()

    async def ended(self) -> int:
        await self.over.wait()
        return -9

    def cover(self, sockets: Sockets) -> None:
        self.covers.append(sockets)

    def say(self, word: bytes) -> None:
        """STOP, the last word, ends it."""
        if word == STOP:
            self.over.set()

    def answer(self) -> None:
        """As a worker does when it has started."""
        listen(self.sockets)
        self.begun.set()

    def die(self) -> None:
        self.over.set()


class OneAfterAnother(unittest.IsolatedAsyncioTestCase):
    async def asyncSetUp(self) -> None:
        Worker.started = []
        self.enterContext(patch.object(parent, "Worker", Worker))
        self.enterContext(patch.object(parent, "FIRST_PAUSE_SECONDS", 0.0))
        slots = bind_slots({"app": ("127.0.0.1", 0)}, 2)
        self.address = slots[0]["app"].getsockname()[:2]
        self.parent = Parent(Order("site.ini"), slots, 5.0)
        self.enterContext(patch.object(self.parent, "_on_signals"))
        self.addCleanup(self.parent._folder.remove)
        serving = asyncio.create_task(self.parent._main(lambda: None))
        self.addAsyncCleanup(self.stop, serving)
        for worker in await self.workers(2):
            worker.answer()

    async def stop(self, serving: "asyncio.Task[None]") -> None:
        self.parent._stop()
        await asyncio.wait_for(serving, 30)

    async def workers(self, number: int) -> list[Worker]:
        """The first so many that were started, when they were."""
        async with asyncio.timeout(30):
            while len(Worker.started) < number:  # noqa: ASYNC110  # the parent tells no test
                await asyncio.sleep(0)
        return Worker.started

    async def becomes(self, refused: bool) -> None:
        async with asyncio.timeout(30):
            while self.is_refused() is not refused:  # noqa: ASYNC110
                await asyncio.sleep(0)

    def is_refused(self) -> bool:
        try:
            socket.create_connection(self.address, 5).close()
        except (ConnectionRefusedError, ConnectionResetError):
            return True
        return False

    async def test_the_last_one_dies_while_the_successor_of_the_first_starts(self) -> None:
        """Connections are refused at once, and a front end asks another node, until it answers."""
        first, second = await self.workers(2)
        with self.assertLogs(parent.log, "ERROR"):
            first.die()
            _first, _second, successor = await self.workers(3)
            self.assertEqual(second.covers, [successor.sockets])
            self.assertFalse(self.is_refused())
            second.die()
            await self.becomes(refused=True)
            await self.workers(4)
            self.assertTrue(self.is_refused())
            successor.answer()
            await self.becomes(refused=False)

    async def test_a_successor_that_is_about_to_answer_when_the_last_one_dies(self) -> None:
        """It listens; then the parent refuses, which shuts the same socket, and has it listen again."""
        first, second = await self.workers(2)
        with self.assertLogs(parent.log, "ERROR"):
            first.die()
            successor = (await self.workers(3))[2]
            listen(successor.sockets)
            second.die()
            await self.becomes(refused=True)
            successor.begun.set()
            await self.becomes(refused=False)
