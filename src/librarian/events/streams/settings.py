"""Settings of streams."""

from dataclasses import dataclass
from datetime import timedelta

from zope.interface import provider

from librarian.interfaces import ISettingsSection
from librarian.settings import Section


@provider(ISettingsSection)
@dataclass(frozen=True)
class StreamSettings(Section):
    """How long events are kept for clients that come back, and how streams live."""

    prefix = "events"
    stream_history: timedelta = timedelta(hours=1)  # for which events are kept, also after the last stream
    stream_poll: timedelta = timedelta(seconds=1)  # between two looks for new events
    stream_heartbeat: timedelta = timedelta(seconds=15)  # after which an idle stream sends a comment
    stream_lifetime: timedelta = timedelta(minutes=10)  # of a stream; permissions are looked at anew then
    streams_at_most: int = 1000  # in a process
