"""The requests that the file lane may answer at one listener, and the logging and counting of its answers."""

import asyncio
import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from time import perf_counter
from typing import Any, NamedTuple

from zope.component import getUtility

from librarian.interfaces import ISettings
from librarian.library.interfaces import IVerifiedReads
from librarian.net.networks import Networks, is_within
from librarian.operations.interfaces import IMeasurements
from librarian.serving.http.file_lane import FileLane, LaneAnswer, Offer
from librarian.serving.http.heads import Head
from librarian.serving.http.output import Output
from librarian.serving.http.questions import Questions
from librarian.serving.interfaces import NotFresh
from librarian.serving.wsgi.exchange import FileBody
from librarian.store.disk.interfaces import ICachedFiles, ILocalFiles
from librarian.store.interfaces import IByteStore
from librarian.tree.interfaces import ITree
from librarian.web.access_log.middleware import AccessLogged
from librarian.web.files.delivery import READ_AT_ONCE
from librarian.web.interfaces import IEndpoint
from librarian.web.requests.hosts import is_host_of
from librarian.web.requests.proxies import client_behind
from librarian.web.settings import PROOF_FIELD, AccelSettings, ProxySettings, RedirectSettings

log = logging.getLogger(__name__)

Then = Callable[[LaneAnswer | None], None]

FORWARDED_FOR = "x-forwarded-for"
MOST_CLIENTS = 4096  # addresses and names, whose admission is remembered


class Request(NamedTuple):
    """A request without a body, as it came."""

    head: Head
    peer: tuple[str, int]
    keeps_open: bool


@dataclass(frozen=True)
class LaneAccess:
    """The lane as the connections of one listener use it."""

    lane: FileLane
    endpoint: str
    port: str
    questions: Questions
    client_of: Callable[[str, Sequence[str]], str]  # a client's address, by its peer's and X-Forwarded-For
    admits: Callable[[str, bool], bool]  # a client's address, and whether its request has credentials
    is_host: Callable[[str | None], bool]  # whether the endpoint goes by this name
    handed_over: bool  # whether a front end may prove itself and send the bytes
    log: AccessLogged | None
    measurements: Any  # IMeasurements, or None

    def find_answer(
        self, request: Request, *, asked: bool = False, may_wait: bool = False
    ) -> LaneAnswer | None:
        """The answer to a request, unless it is the application's affair; raises as FileLane's does."""
        head = request.head
        fields = head.meaning.fields
        if head.host is not None and ".restricted." in head.host.lower():
            return None  # the host of one file
        if self.handed_over and PROOF_FIELD in fields:
            return None
        client = self._client(head, request.peer)
        if not self.admits(client, "authorization" in fields) or not self.is_host(head.host):
            return None
        return self.lane.find_answer(self.port, head, request.keeps_open, asked=asked, may_wait=may_wait)

    def find_later(self, why: Exception, request: Request, then: Then) -> None:
        """Call `then` in the loop with what find_answer() finds after the wait that it asked for by `why`."""
        loop = asyncio.get_running_loop()
        if isinstance(why, NotFresh):
            self.questions.ask(loop, partial(self._asked, request, then))
        else:
            slowly = partial(self.find_answer, request, asked=True, may_wait=True)
            loop.run_in_executor(None, slowly).add_done_callback(partial(_found, then))

    def _asked(self, request: Request, then: Then, answered: bool) -> None:
        try:
            then(self.find_answer(request, asked=True) if answered else None)
        except BlockingIOError as cold:
            self.find_later(cold, request, then)

    def offers(self, head: Head) -> Offer | None:
        """The way for the application to hand its answer to the lane; None: the lane never answers it."""
        return (
            None if "?" in head.target or head.method != "GET" else self.lane.offers((self.port, head.target))
        )

    def send(
        self, output: Output, head: Head, peer: tuple[str, int], begun: float, answer: LaneAnswer
    ) -> None:
        """Send an answer, and record it; `begun`: when the request came, by perf_counter()."""
        if answer.file is None:
            self.record(head, peer, answer, answer.size, perf_counter() - begun)
            output.send_whole(answer.data)
            return
        before = output.sent

        def closed() -> None:
            self.record(head, peer, answer, output.sent - before, perf_counter() - begun)

        output.send_parts(answer.parts, LaneFileBody(answer.file, closed))

    def _client(self, head: Head, peer: tuple[str, int]) -> str:
        return self.client_of(peer[0], head.meaning.fields.get(FORWARDED_FOR, ()))

    def record(
        self, head: Head, peer: tuple[str, int], answer: LaneAnswer, sent: int, seconds: float
    ) -> None:
        """Log and count an answer of which `sent` bytes of the body were sent."""
        fields = head.meaning.fields
        if self.measurements is not None:
            self.measurements.count(self.endpoint, head.method, answer.status, 0, answer.size, seconds)
            self.measurements.count_in_lane(self.endpoint)
        if self.log is not None:
            self.log.write(
                client=self._client(head, peer),
                method=head.method,
                target=head.target,
                protocol=f"HTTP/{head.version}",
                status=answer.status,
                size=sent,
                referer=", ".join(fields.get("referer", ())),
                agent=", ".join(fields.get("user-agent", ())),
                seconds=seconds,
            )


class LaneFileBody(FileBody):
    """A file of the lane, with a callback for its end."""

    def __init__(self, file: Any, closed: Callable[[], None]) -> None:
        super().__init__(file)
        self._closed = closed

    def close(self) -> None:
        """Close the file, and give its place back."""
        super().close()
        self._closed()


def _found(then: Then, future: "asyncio.Future[LaneAnswer | None]") -> None:
    error = future.exception()
    if error is not None:
        log.error("file cannot be read", exc_info=error)
    then(None if error is not None else future.result())


def lane_accesses(app: Any, ports: dict[str, int]) -> dict[str, LaneAccess]:
    """The lane of the endpoints that have one, by name; `ports` are those the endpoints listen on.

    Empty where no bytes of the store are files on this machine.
    """
    tree = getUtility(ITree)
    store = getUtility(IByteStore)
    files: Any = store
    endpoints = {name: getUtility(IEndpoint, name) for name in ports}
    if not ILocalFiles.providedBy(files):
        return {}
    lane = FileLane(store, files, getUtility(IVerifiedReads), tree.is_fresh, most=_most_of(files))
    tree.on_change(lane.changed)
    questions = Questions(tree.catch_up)
    settings = getUtility(ISettings)
    return {
        name: LaneAccess(
            lane=lane,
            endpoint=name,
            port=str(ports[name]),
            questions=questions,
            client_of=client_of(settings.section(ProxySettings).trusted_proxies),
            admits=lru_cache(MOST_CLIENTS)(endpoint.admits_to_lane),
            is_host=lru_cache(MOST_CLIENTS)(partial(is_host_of, endpoint)),
            handed_over=bool(settings.section(AccelSettings).accel_redirect),
            log=app if isinstance(app, AccessLogged) else None,
            measurements=app.registry.queryUtility(IMeasurements),
        )
        for name, endpoint in endpoints.items()
        if endpoint.file_lane
    }


def _most_of(files: Any) -> float:
    """The size in bytes of the largest file that the lane answers for.

    What is cached of a store in the network may be evicted at any time, and opening it would wait for the
    network then; so a file is read at once there.  Those that clients are redirected to are not answered for.
    """
    if not ICachedFiles.providedBy(files):
        return math.inf
    redirects = getUtility(ISettings).section(RedirectSettings)
    return min(READ_AT_ONCE, redirects.redirect_from - 1) if redirects.redirect_downloads else READ_AT_ONCE


def client_of(trusted: Networks) -> Callable[[str, Sequence[str]], str]:
    """The address of a client as the application sees it: a trusted front end is believed on who asks."""

    def client(peer: str, forwarded_for: Sequence[str]) -> str:
        is_front_end = bool(trusted) and is_within(peer, trusted)
        return client_behind(peer, ", ".join(forwarded_for), trusted) if is_front_end else peer

    return lru_cache(MOST_CLIENTS)(client)
