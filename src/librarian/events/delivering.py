"""The worker: from the outbox to the receivers."""

import json
import logging
import secrets
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from zope.component import getUtility

from librarian.events.authorization import may_be_told
from librarian.events.interfaces import IHookSender
from librarian.events.model import EventsSubtree, Webhook
from librarian.events.settings import EventSettings
from librarian.events.signing import signed_headers
from librarian.interfaces import IClock, ISettings
from librarian.library.settings import LibrarySettings
from librarian.tree.interfaces import ITree

log = logging.getLogger(__name__)

BATCH = 50  # entries of a queue that are moved in one transaction
LEASE = timedelta(minutes=3)  # how long the lease of a killed worker lasts
PASS_SECONDS = 60.0  # after which a pass begins no delivery; it ends within a timeout more
AT_ONCE = 8  # receivers
JSON = "application/cloudevents+json; charset=utf-8"


class Due(NamedTuple):
    """A delivery to make, out of the tree."""

    number: int
    event_id: str
    url: str
    secrets: list[str]
    body: bytes


class Deliverer:
    """Makes passes over what waits; one at a time in an installation."""

    def __init__(self) -> None:
        self._tree = getUtility(ITree)
        self._clock = getUtility(IClock)
        self._sender = getUtility(IHookSender)
        self._name = secrets.token_hex(8)

    def run(self) -> int:
        """Send what is due; how many events were accepted.  0 as well where another worker is at it."""
        now = self._clock.now()
        if not self._tree.run(lambda: self._subtree.take(self._name, now, now + LEASE)):
            return 0
        try:
            while self._tree.run(self._distribute):
                pass
            ids = self._tree.run(lambda: list(self._subtree.webhooks.keys()))
            return self._serve(ids)
        finally:
            self._tree.run(lambda: self._subtree.release(self._name))

    def _distribute(self) -> int:
        """Entries moved to the queues of webhooks; none where the lease is lost."""
        now = self._clock.now()
        if not self._subtree.renew(self._name, now, LEASE):
            return 0
        return self._subtree.distribute(BATCH, now, may_be_told)

    def _serve(self, ids: list[str]) -> int:
        """Each receiver in a thread of its own, so that a slow one holds up no other."""
        if not ids:
            return 0
        until = self._clock.monotonic() + PASS_SECONDS
        with ThreadPoolExecutor(min(AT_ONCE, len(ids)), "webhooks") as threads:
            return sum(threads.map(lambda webhook_id: self._serve_one(webhook_id, until), ids))

    def _serve_one(self, webhook_id: str, until: float) -> int:
        accepted = 0
        while self._clock.monotonic() < until:
            due = self._tree.run(lambda: self._next(webhook_id))
            if due is None:
                break
            accepted += self._send(webhook_id, due)
        return accepted

    def _send(self, webhook_id: str, due: Due) -> bool:
        seconds = int(self._clock.now().timestamp())
        headers = signed_headers(due.secrets, due.event_id, seconds, due.body)
        answer = self._sender.send(due.url, {"Content-Type": JSON, **headers}, due.body)
        give_up_after = getUtility(ISettings).section(EventSettings).give_up_after

        def record() -> None:
            webhook = self._subtree.webhooks.get(webhook_id)
            if webhook is not None:
                webhook.queue.record(due.number, answer, self._clock.now(), give_up_after)

        self._tree.run(record)
        log.info("event sent webhook=%s event=%s status=%s", webhook_id, due.event_id, answer.status)
        return answer.accepted

    def _next(self, webhook_id: str) -> Due | None:
        webhook: Webhook | None = self._subtree.webhooks.get(webhook_id)
        now = self._clock.now()
        if webhook is None or not may_be_told(webhook):
            return None
        found = webhook.queue.due(now)
        if found is None:
            return None
        body = cloud_event(found.entry.id, found.entry.facts)
        return Due(found.number, found.entry.id, webhook.url, webhook.secrets(now), body)

    @property
    def _subtree(self) -> EventsSubtree:
        found: EventsSubtree = self._tree.subtree("events")
        return found


def cloud_event(event_id: str, facts: dict[str, Any]) -> bytes:
    """The JSON form of CloudEvents 1.0 (section 3 of its JSON format)."""
    settings = getUtility(ISettings)
    source = settings.section(EventSettings).source or settings.section(LibrarySettings).download_url
    described = {
        "specversion": "1.0",
        "id": event_id,
        "source": source,
        "type": facts["type"],
        "subject": facts["subject"],
        "time": facts["time"],
        "datacontenttype": "application/json",
        "data": json.loads(facts["data"]),
    }
    return json.dumps(described).encode()


def rfc3339(moment: datetime | None) -> str | None:
    """A time for JSON."""
    return None if moment is None else moment.isoformat(timespec="seconds")
