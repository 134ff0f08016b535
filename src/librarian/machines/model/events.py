"""The events of machines and imports, in the order of their commits."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from BTrees.LOBTree import LOBTree
from BTrees.OOBTree import OOBTree
from persistent import Persistent
from zope.interface import implementer

from librarian.machines.enums import CodeImportEventDataType, CodeImportEventType
from librarian.machines.interfaces import ICodeImportEvent

Items = Mapping[CodeImportEventDataType, str]

ID_BITS_BELOW_MILLISECOND = 11  # ids stay below 2**53 until the year 2109


@dataclass(frozen=True)
class ChangeContext:
    """The context of a change: its time, the person who makes it, and the message of its event."""

    now: datetime  # aware, UTC
    actor: str | None = None  # a person's name; None: a daemon
    message: str | None = None


@implementer(ICodeImportEvent)
class CodeImportEvent(Persistent):
    """One event; immutable."""

    def __init__(
        self,
        event_id: int,
        event_type: CodeImportEventType,
        context: ChangeContext,
        machine: str | None,
        code_import: str | None,
        items: Items,
    ) -> None:
        self.id = event_id
        self.event_type = event_type
        self.date_created = context.now
        self.person = context.actor
        self.machine = machine
        self.code_import = code_import
        self._items = tuple(sorted(items.items(), key=lambda item: item[0].value))

    def items(self) -> list[tuple[CodeImportEventDataType, str]]:
        return list(self._items)


class EventLog(Persistent):
    """All events by id, and the ids by machine and by import.

    An id is made from the clock, so that two writers rarely choose the same one.  If they do, or if the
    clock was set back, the id is one above the last one, and a write conflict decides the order.
    """

    def __init__(self) -> None:
        self._events = LOBTree()
        self._by_subject = OOBTree()  # (kind, name, id) -> None

    def note(
        self,
        event_type: CodeImportEventType,
        context: ChangeContext,
        *,
        machine: str | None = None,
        code_import: str | None = None,
        items: Items | None = None,
    ) -> CodeImportEvent:
        """Add an event; the message of `context` becomes its MESSAGE item."""
        details = dict(items or {})
        if context.message:
            details[CodeImportEventDataType.MESSAGE] = context.message
        event = CodeImportEvent(self._new_id(context.now), event_type, context, machine, code_import, details)
        self._events[event.id] = event
        for kind, name in (("import", code_import), ("machine", machine)):
            if name is not None:
                self._by_subject[kind, name, event.id] = None
        return event

    def _new_id(self, now: datetime) -> int:
        by_clock = int(now.timestamp() * 1000) << ID_BITS_BELOW_MILLISECOND
        return max(by_clock, self._events.maxKey() + 1) if self._events else by_clock

    def __iter__(self) -> Iterator[CodeImportEvent]:
        return iter(self._events.values())

    def __len__(self) -> int:
        return len(self._events)

    def of_machine(self, hostname: str) -> list[CodeImportEvent]:
        """Oldest first."""
        return self._of("machine", hostname)

    def of_import(self, name: str) -> list[CodeImportEvent]:
        """Oldest first."""
        return self._of("import", name)

    def of_machine_since(self, hostname: str, since: datetime) -> list[CodeImportEvent]:
        """Oldest first; older ones are not loaded."""
        first = int(since.timestamp() * 1000) << ID_BITS_BELOW_MILLISECOND
        return [self._events[event_id] for event_id in self._ids("machine", hostname, first)]

    def newest_of_machine(self, hostname: str, count: int) -> list[CodeImportEvent]:
        """At most `count`, newest first."""
        return [self._events[event_id] for event_id in self._ids("machine", hostname)[: -count - 1 : -1]]

    def _of(self, kind: str, name: str) -> list[CodeImportEvent]:
        return [self._events[event_id] for event_id in self._ids(kind, name)]

    def _ids(self, kind: str, name: str, first: int = 0) -> list[int]:
        keys = self._by_subject.keys(min=(kind, name, first), max=(kind, name, 2**63))
        return [event_id for _kind, _name, event_id in keys]
