"""The subscriber that writes events into the outbox, in the transaction in which they happen."""

import json
import secrets
import zlib
from typing import Any

from zope.component import getUtility, queryUtility

from librarian.events.model import QUEUES, EventsSubtree, OutboxEntry
from librarian.interfaces import IAnnouncedEvent, IClock
from librarian.tree.interfaces import ITree, TreeNotOpen


def note(event: IAnnouncedEvent) -> None:
    """Write the event into the outbox, if a webhook wants it.

    Where no session is open, in a transaction of its own.
    """
    tree = queryUtility(ITree)
    if tree is None:
        return  # a command that works without the library
    try:
        subtree = tree.subtree("events")
    except TreeNotOpen:
        tree.run(lambda: _note(tree.subtree("events"), event))
    else:
        _note(subtree, event)


def _note(subtree: EventsSubtree, event: Any) -> None:
    wanted = [each.id for each in subtree.webhooks.values() if each.wants(event.kind, event.owner)]
    if not wanted:
        return
    now = getUtility(IClock).now()
    facts = {
        "type": event.kind,
        "subject": event.subject,
        "time": now.isoformat(),
        "data": json.dumps(event.data),
    }
    entry = OutboxEntry(f"msg_{secrets.token_urlsafe(16)}", facts, wanted)
    subtree.put(entry, zlib.crc32(event.subject.encode()) % QUEUES, now)
