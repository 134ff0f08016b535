"""Sends attempts to a server and judges what comes of them: the answers, the log, the process."""

import re
import socket
import struct
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from tests.fuzz.generator import Attempt, attempt
from tests.fuzz.judging import Heard, faults
from tests.fuzz.words import Facts
from tests.support.processes import descriptors, memory_mib

ANSWER_SECONDS = 5.0
CONNECTIONS = 8  # at a time
BATCH = 250  # attempts between two looks at the log
SETTLE_SECONDS = 20.0  # until connections that were left are gone
MOST_GROWTH_MIB = 64.0  # caches of objects fill, up to their bounds
MOST_SEARCHES = 5  # for the attempt behind a line in the log
_IN_LOG = re.compile(r"^(?:ERROR|CRITICAL) .*|^Traceback .*|.*uncaptured python exception.*", re.MULTILINE)


@dataclass(frozen=True)
class Process:
    """Where the server listens and what can be seen of it from outside."""

    urls: Mapping[str, str]  # by endpoint
    pid: int
    log: Path

    def descriptors(self) -> int:
        return descriptors(self.pid)

    def memory_mib(self) -> float:
        """What is resident.  Raises OSError if the process is no more."""
        return memory_mib(self.pid)


@dataclass
class Report:
    """What a campaign has seen."""

    seed: str
    sent: int = 0
    statuses: Counter[str] = field(default_factory=Counter)  # "app 404" and the like
    faults: list[str] = field(default_factory=list)  # each with the index it can be sent again by

    def add(self, index: int, what: str) -> None:
        self.faults.append(f"seed {self.seed} index {index}: {what}")


def send(url: str, one: Attempt, answer_seconds: float = ANSWER_SECONDS) -> Heard:
    """Send one attempt on a connection of its own, and listen to the end."""
    parts = urlsplit(url)
    address = (str(parts.hostname), int(parts.port or 80))
    with closing(socket.create_connection(address, answer_seconds)) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with suppress(OSError):  # refused before its end; the answer may be there all the same
            for piece in one.pieces:
                connection.sendall(piece)
            if one.half_close and not one.abandon:
                connection.shutdown(socket.SHUT_WR)
        if one.abandon:  # a reset, as of a client that died
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            return Heard(b"", "abandoned")
        return _listen(connection, time.monotonic() + answer_seconds)


def _listen(connection: socket.socket, deadline: float) -> Heard:
    found: list[bytes] = []
    while True:
        connection.settimeout(max(0.01, deadline - time.monotonic()))
        try:
            block = connection.recv(1 << 16)
        except TimeoutError:
            return Heard(b"".join(found), "silent")
        except OSError:
            return Heard(b"".join(found), "reset")
        if not block:
            return Heard(b"".join(found), "closed")
        found.append(block)


class Campaign:
    """Attempts of one seed against one server."""

    def __init__(
        self,
        process: Process,
        facts: Facts,
        seed: str,
        say: Callable[[str], None] = print,
        answer_seconds: float = ANSWER_SECONDS,
        settle_seconds: float = SETTLE_SECONDS,
    ) -> None:
        self.process = process
        self.report = Report(seed)
        self._facts = facts
        self._say = say
        self._answer_seconds = answer_seconds
        self._settle_seconds = settle_seconds
        self._log_seen = process.log.stat().st_size
        self._searches = 0

    def run(self, number: int, first: int = 0) -> Report:
        """Send the attempts from `first` on.  A batch after the warm-up is the measure of what is flat."""
        warm_up, descriptors, memory = max(BATCH, number // 5), 0, 0.0
        with ThreadPoolExecutor(CONNECTIONS) as pool:
            for start in range(first, first + number, BATCH):
                batch = range(start, min(start + BATCH, first + number))
                for index, found in zip(batch, pool.map(self.one, batch), strict=True):
                    self._note(index, found)
                self._read_log(batch)
                if start - first < warm_up <= start - first + BATCH:
                    with suppress(OSError):  # it is gone, as will be found at the end
                        descriptors, memory = self._settled(0), self.process.memory_mib()
                if not start % (BATCH * 20):
                    self._say(f"{start} sent, {len(self.report.faults)} faults")
        try:
            self._judge_process(descriptors, memory)
        except OSError:
            self.report.faults.append("the server is gone")
        return self.report

    def one(self, index: int) -> list[str]:
        """Send one attempt; its faults."""
        made = attempt(self.report.seed, index, self._facts)
        try:
            heard = send(self.process.urls[made.endpoint], made, self._answer_seconds)
        except OSError as error:
            return [f"{made.endpoint}: no connection: {error}"]
        self.report.sent += 1
        self.report.statuses[f"{made.endpoint} {heard.answer[9:12].decode('latin-1') or heard.end}"] += 1
        return [f"{made.endpoint}: {fault}; {made.sent[:300]!r}" for fault in faults(made, heard)]

    def _note(self, index: int, found: Iterable[str]) -> None:
        for fault in found:
            self.report.add(index, fault)
            self._say(self.report.faults[-1])

    def _read_log(self, batch: range) -> None:
        """Note what the log tells of faults, with the attempt that does it again."""
        complaint = self._complaint()
        if complaint is None:
            return
        culprit = self._search(batch)
        place = f"one of {batch.start} to {batch.stop - 1}" if culprit is None else "this one"
        self._note(batch.start if culprit is None else culprit, [f"log, by {place}: {complaint}"])

    def _complaint(self) -> str | None:
        with self.process.log.open(errors="replace") as log:
            log.seek(self._log_seen)
            text = log.read()
            self._log_seen = log.tell()
        found = _IN_LOG.search(text)
        return None if found is None else re.split(r"(?m)^INFO ", text[found.start() :])[0][:5000]

    def _search(self, batch: range) -> int | None:
        """The attempt that makes the log complain, if it does so again when it is alone."""
        self._searches += 1
        if self._searches > MOST_SEARCHES:
            return None
        for index in batch:
            self.one(index)
            time.sleep(0.002)  # an abandoned one is still being worked on
            if self._complaint() is not None:
                return index
        return None

    def _settled(self, most: int) -> int:
        """The number of descriptors, once it is at most `most`, or does not get smaller any more."""
        deadline = time.monotonic() + self._settle_seconds
        found = self.process.descriptors()
        while found > most and time.monotonic() < deadline:
            time.sleep(0.5)
            before, found = found, self.process.descriptors()
            if not most and before == found:
                break
        return found

    def _judge_process(self, descriptors: int, memory: float) -> None:
        if (now := self._settled(descriptors + 3)) > descriptors + 3:
            self.report.faults.append(f"descriptors: {descriptors} after the warm-up, {now} at the end")
        grown = self.process.memory_mib() - memory
        self._say(f"memory {memory:.0f} MiB, {grown:+.0f} MiB since the warm-up; {now} descriptors")
        if grown > MOST_GROWTH_MIB:
            self.report.faults.append(f"memory: {memory:.0f} MiB after the warm-up, {grown:+.0f} at the end")
