"""The subscriber that writes events into the outbox, in the transaction in which they happen."""

import json
import secrets
import zlib
from typing import Any

from zope.component import getUtility, queryUtility

from librarian.events.model import QUEUES, EventsSubtree, OutboxEntry, Recording, noted
from librarian.interfaces import IAnnouncedEvent, IClock
from librarian.tree.interfaces import ITree, TreeNotOpen


def note(event: IAnnouncedEvent) -> None:
    """Write the event into the outbox, if a webhook wants it, and record it, if there are streams.

    Where no session is open, in a transaction of its own.
    """
    tree = queryUtility(ITree)
    if tree is None:
        return  # a command that works without the library
    try:
        subtree = tree.subtree("events")
    except TreeNotOpen:
        tree.run(lambda: _note(tree, tree.subtree("events"), event))
    else:
        _note(tree, subtree, event)


def _note(tree: ITree, subtree: EventsSubtree, event: Any) -> None:
    wanted = [each.id for each in subtree.webhooks.values() if each.wants(event.kind, event.owner)]
    if not wanted and subtree.listened_until is None:
        return
    now = getUtility(IClock).now()
    recording = subtree.recording_at(now)
    if not wanted and recording is None:
        return
    facts = {
        "type": event.kind,
        "subject": event.subject,
        "time": now.isoformat(),
        "data": json.dumps(event.data),
    }
    event_id = f"msg_{secrets.token_urlsafe(16)}"
    shard = zlib.crc32(event.subject.encode()) % QUEUES
    if wanted:
        subtree.put(noted(event_id, facts, wanted), shard, now)
    if recording is not None:
        entry = OutboxEntry(event_id, facts, (), event.owner)
        # Last of all: streams count on it that what is in a recording is committed soon.
        tree.current_transaction().addBeforeCommitHook(_record, (recording, entry, shard))


def _record(recording: Recording, entry: OutboxEntry, shard: int) -> None:
    recording.put(entry, shard, getUtility(IClock).now())
