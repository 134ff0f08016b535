"""What a byte store tells subscribers of zope.event in its process."""

from dataclasses import dataclass

from zope.event import notify

from librarian.store.interfaces import BytesDamaged


@dataclass(frozen=True, slots=True)
class DamageSeen:
    """A reader was sent other bytes than those of a digest, and again when it asked a second time.

    Raised in the reader's thread, which goes on as soon as the subscribers return.  Whether the bytes that
    are held are damaged is for IByteStore.quarantine() to find out: another copy of them may be sound.
    """

    sha256: str


def damage_seen(sha256: str) -> BytesDamaged:
    """Tell subscribers of it; the error to raise."""
    notify(DamageSeen(sha256))
    return BytesDamaged(sha256)
