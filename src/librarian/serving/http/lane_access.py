"""The requests that the file lane may answer at one listener, and the logging and counting of its answers."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from zope.component import getUtility

from librarian.interfaces import ISettings
from librarian.library.interfaces import IVerifiedReads
from librarian.net.networks import Networks, is_within
from librarian.operations.interfaces import IMeasurements
from librarian.serving.http.file_lane import FileLane, LaneAnswer
from librarian.serving.http.heads import Head
from librarian.store.interfaces import IByteStore
from librarian.tree.interfaces import ITree
from librarian.web.access_log.middleware import AccessLogged
from librarian.web.files.facts import FileFacts
from librarian.web.interfaces import IEndpoint
from librarian.web.settings import PROOF_FIELD, AccelSettings, ProxySettings

Offer = Callable[[FileFacts, Iterable[bytes]], None]


@dataclass(frozen=True)
class LaneAccess:
    """The lane as the connections of one listener use it."""

    lane: FileLane
    endpoint: str
    port: str
    trusted_proxies: Networks
    handed_over: bool  # whether a front end may prove itself and send the bytes
    log: AccessLogged | None
    measurements: Any  # IMeasurements, or None

    def find_answer(self, head: Head, peer: tuple[str, int], keeps_open: bool) -> LaneAnswer | None:
        """The answer to a request without a body, unless it is the application's affair."""
        if head.host is not None and ".restricted." in head.host.lower():
            return None  # the host of one file
        if self.handed_over and PROOF_FIELD in head.meaning.fields:
            return None
        if self.trusted_proxies and is_within(peer[0], self.trusted_proxies):
            return None  # who asks is for the front end to say
        return self.lane.find_answer(self.port, head, keeps_open)

    def offers(self, head: Head) -> Offer | None:
        """The way for the application to hand its answer to the lane; None: the lane never answers it."""
        return None if head.query or head.method != "GET" else self.lane.offers((self.port, head.target))

    def record(
        self, head: Head, peer: tuple[str, int], answer: LaneAnswer, sent: int, seconds: float
    ) -> None:
        """Log and count an answer of which `sent` bytes of the body were sent."""
        fields = head.meaning.fields
        if self.measurements is not None:
            self.measurements.count(self.endpoint, head.method, answer.status, 0, answer.size, seconds)
        if self.log is not None:
            self.log.write(
                client=peer[0],
                method=head.method,
                target=head.target,
                protocol=f"HTTP/{head.version}",
                status=answer.status,
                size=sent,
                referer=", ".join(fields.get("referer", ())),
                agent=", ".join(fields.get("user-agent", ())),
                seconds=seconds,
            )


def lane_accesses(app: Any, ports: dict[str, int]) -> dict[str, LaneAccess]:
    """The lane of the endpoints that have one, by name; `ports` are those the endpoints listen on.

    Empty where the tree is another process's: what that commits is heard of too late.
    """
    tree = getUtility(ITree)
    names = [name for name in ports if getUtility(IEndpoint, name).file_lane]
    if not names or not tree.is_local:
        return {}
    lane = FileLane(getUtility(IByteStore), getUtility(IVerifiedReads))
    tree.on_change(lane.changed)
    settings = getUtility(ISettings)
    return {
        name: LaneAccess(
            lane=lane,
            endpoint=name,
            port=str(ports[name]),
            trusted_proxies=settings.section(ProxySettings).trusted_proxies,
            handed_over=bool(settings.section(AccelSettings).accel_redirect),
            log=app if isinstance(app, AccessLogged) else None,
            measurements=app.registry.queryUtility(IMeasurements),
        )
        for name in names
    }
