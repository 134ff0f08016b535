"""The parent: starts the workers, replaces those that die, and ends with them."""

import asyncio
import logging
import os
import signal
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

from librarian.serving.interfaces import WorkerFailed
from librarian.serving.sockets import Sockets, listen, refuse
from librarian.serving.workers.folder import Folder
from librarian.serving.workers.order import ABORT, REOPEN, RETIRE, STOP, UNCOVER, Order
from librarian.serving.workers.process import Worker

log = logging.getLogger(__name__)

SHORT_LIFE_SECONDS = 10.0  # of a worker that died at once
FIRST_PAUSE_SECONDS = 0.5  # before the successor of such a worker is started; doubled each time
LONGEST_PAUSE_SECONDS = 15.0
ENDING_SECONDS = 10.0  # what a worker may take to end, beside the grace for what is running


@dataclass(eq=False)
class Slot:
    """The place of a worker: its sockets, and the worker that has them now."""

    sockets: Sockets
    worker: Worker | None = None
    cover: Worker | None = None  # another slot's, which accepts here too until this one has a worker again
    changing: asyncio.Lock = field(default_factory=asyncio.Lock)  # held while a worker is started


class Parent:
    """Runs a worker in each slot until SIGTERM or SIGINT."""

    def __init__(self, order: Order, slots: list[Sockets], grace_seconds: float) -> None:
        self._order = order
        self._slots = [Slot(sockets) for sockets in slots]
        self._patience_seconds = grace_seconds + ENDING_SECONDS
        self._workers: set[Worker] = set()  # that run, also those that are ending
        self._numbers: set[int] = set()  # of these, and of one that is being started
        self._tasks: set[asyncio.Task[None]] = set()
        self._folder = Folder()

    def run(self, started: Callable[[], None]) -> None:
        """Serve; `started` is called when all workers accept connections.  Raises WorkerFailed."""
        try:
            asyncio.run(self._main(started))
        finally:
            self._folder.remove()

    async def _main(self, started: Callable[[], None]) -> None:
        self._stopping = asyncio.Event()
        self._on_signals()
        try:
            if await self._until_stop(self._start_all()):
                started()
                log.info("serving workers=%d", len(self._slots))
                for slot in self._slots:
                    self._begin(self._keep(slot))
                await self._stopping.wait()
        finally:
            await self._end_all()

    # -- signals

    def _on_signals(self) -> None:
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self._stop)
        loop.add_signal_handler(signal.SIGINT, self._stop)
        loop.add_signal_handler(signal.SIGHUP, lambda: self._begin(self._replace_all()))
        loop.add_signal_handler(signal.SIGUSR1, self._say, REOPEN)

    def _stop(self) -> None:
        if self._stopping.is_set():
            self._say(ABORT)
        self._stopping.set()

    def _say(self, word: bytes) -> None:
        for worker in self._workers:
            worker.say(word)

    # -- the life of workers

    async def _start_all(self) -> None:
        async with asyncio.TaskGroup() as group:
            for slot in self._slots:
                group.create_task(self._fill(slot))

    async def _fill(self, slot: Slot) -> None:
        async with slot.changing:  # a SIGHUP that comes meanwhile waits
            if slot.worker is None:
                slot.worker = await self._start(slot)

    async def _start(self, slot: Slot) -> Worker:
        """A worker with the sockets of `slot` that accepts connections.  Raises WorkerFailed."""
        number = min(set(range(1, len(self._numbers) + 2)) - self._numbers)
        order = replace(self._order, number=number, folder=str(self._folder.path))
        self._numbers.add(number)
        try:
            worker = await Worker.start(order, slot.sockets, self._folder.environ)
        except BaseException:
            self._numbers.discard(number)
            raise
        self._workers.add(worker)
        self._note_processes()
        self._begin(self._bury(worker))
        await worker.ready()
        listen(slot.sockets)  # as the worker did, perhaps before refuse()
        return worker

    async def _bury(self, worker: Worker) -> None:
        """Forget a worker when it has ended."""
        await worker.ended()
        self._workers.discard(worker)
        self._numbers.discard(worker.number)
        self._note_processes()

    def _note_processes(self) -> None:
        self._folder.note_processes([os.getpid(), *(worker.pid for worker in self._workers)])

    async def _keep(self, slot: Slot) -> None:
        """Start a successor whenever the worker of a slot has died."""
        pause = 0.0
        loop = asyncio.get_running_loop()
        while True:
            worker, begun = slot.worker, loop.time()
            if worker is not None:
                status = await worker.ended()
                if slot.worker is not worker:
                    continue  # it was replaced
                log.error("worker died number=%d pid=%d status=%d", worker.number, worker.pid, status)
                for each in self._slots:
                    if each is slot or each.cover is worker:
                        self._cover(each)
                self._refuse_if_deserted()
            short = worker is None or loop.time() - begun < SHORT_LIFE_SECONDS
            pause = min(max(2 * pause, FIRST_PAUSE_SECONDS), LONGEST_PAUSE_SECONDS) if short else 0.0
            await asyncio.sleep(pause)
            async with slot.changing:
                if slot.worker is worker:
                    slot.worker = await self._successor(slot)
                    if slot.worker is not None:
                        self._uncover(slot)

    def _cover(self, slot: Slot) -> None:
        """Have another slot's worker, if one runs, accept what waits and comes where a worker has died."""
        workers = [each.worker for each in self._slots if each is not slot and each.worker is not None]
        slot.cover = next((worker for worker in workers if worker.is_running), None)
        if slot.cover is not None:
            slot.cover.cover(slot.sockets)

    def _uncover(self, slot: Slot) -> None:
        """The slot has a worker again."""
        worker, slot.cover = slot.cover, None
        if worker is not None:
            worker.say(UNCOVER)  # nowhere any more
            for each in self._slots:
                if each.cover is worker:
                    worker.cover(each.sockets)

    def _refuse_if_deserted(self) -> None:
        """Without any worker refuse connections until one listens: a front end then asks another node."""
        if not any(slot.worker is not None and slot.worker.is_running for slot in self._slots):
            log.error("no worker is left, connections are refused")
            for slot in self._slots:
                refuse(slot.sockets)

    async def _successor(self, slot: Slot) -> Worker | None:
        """A new worker in a slot; None, and a line in the log, if none can start."""
        try:
            return await self._start(slot)
        except (WorkerFailed, OSError) as error:  # as of a machine that has no memory for one more process
            log.error("no successor error=%s", error)
            return None

    async def _replace_all(self) -> None:
        """Replace the workers one by one, each when its successor is ready."""
        self._say(REOPEN)
        log.info("replacing workers=%d", len(self._slots))
        for slot in self._slots:
            async with slot.changing:
                successor = await self._successor(slot)
                if successor is None:
                    log.error("the other workers are not replaced")
                    return
                former, slot.worker = slot.worker, successor
                self._uncover(slot)
                if former is not None:
                    former.say(RETIRE)
                    for each in self._slots:
                        if each.cover is former:
                            self._cover(each)
        log.info("replaced workers=%d", len(self._slots))

    # -- the end

    async def _end_all(self) -> None:
        for task in self._tasks:
            task.cancel()
        for sock in (sock for slot in self._slots for sock in slot.sockets.values()):
            sock.close()  # while one is open, clients would wait there for no worker
        self._say(STOP)
        try:
            async with asyncio.timeout(self._patience_seconds):
                await self._all_ended()
        except TimeoutError:
            log.error("workers killed number=%d", len(self._workers))
            for worker in self._workers:
                worker.kill()
            await self._all_ended()

    async def _all_ended(self) -> None:
        await asyncio.gather(*(worker.ended() for worker in self._workers))

    async def _until_stop(self, work: Coroutine[Any, Any, None]) -> bool:
        """Do `work`, unless the parent is stopped before it is done; whether it was done."""
        doing, stopping = asyncio.create_task(work), asyncio.create_task(self._stopping.wait())
        await asyncio.wait({doing, stopping}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if not doing.done():
            doing.cancel()
            with suppress(asyncio.CancelledError):
                await doing
            return False
        try:
            doing.result()
        except ExceptionGroup as group:
            raise group.exceptions[0] from None
        return True

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
