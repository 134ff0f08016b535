"""A reader of a FileStorage's transactions that checks each length and each id.

Each is: a header (id, length, status, lengths of user, description and extension), these three, the
records (each with a header of its own, then data or a pointer to earlier data), and the length again.
See ZODB's FileStorage/format.py.
"""

import io
import pickletools
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import BinaryIO

from persistent.TimeStamp import TimeStamp

from librarian.tree.filestorage.checksums import sum_in, sum_of
from librarian.tree.filestorage.interfaces import Torn

START = 4  # after the file's own first bytes
HEADER = struct.Struct(">8sQcHHH")
RECORD = struct.Struct(">8s8sQQHQ")
LENGTH = struct.Struct(">Q")
UNFINISHED = b"c"
PACKED = b"p"
COMPRESSED = b".z"  # how records begin that are no pickles themselves (zc.zlibstorage)


@dataclass(frozen=True, slots=True)
class Found:
    """One transaction; `position` (its start), `records` (their start) and `end` (theirs) are in bytes."""

    position: int
    records: int
    end: int
    tid: bytes
    status: bytes
    user: bytes
    description: bytes
    extension: bytes

    @property
    def next(self) -> int:
        """The position, in bytes, at which the next transaction begins."""
        return self.end + LENGTH.size

    def __str__(self) -> str:
        facts = b" ".join(self.user.split() + self.description.split()).decode(errors="replace")
        return f"transaction of {time_of(self.tid)}{' (' + facts + ')' if facts else ''}"


def time_of(tid: bytes) -> str:
    """The time when a transaction was begun."""
    try:
        return f"{datetime.fromtimestamp(TimeStamp(tid).timeTime(), UTC):%Y-%m-%d %H:%M:%S} UTC"
    except (ValueError, OverflowError, OSError):
        return "no possible time"


def read_one(file: BinaryIO, position: int, size: int, after: bytes) -> Found:
    """The transaction at `position` of a file of `size` bytes; its id is greater than `after`.

    Of its records only the first one's beginning is looked at.  Raises Torn.
    """
    file.seek(position)
    head = file.read(HEADER.size)
    if len(head) < HEADER.size:
        raise Torn(position, "the beginning of a transaction is cut short", unfinished=True)
    tid, length, status, *lengths = HEADER.unpack(head)
    what = f"the transaction of {time_of(tid)}" if tid > after else "the transaction"
    if status == UNFINISHED and tid > after:
        raise Torn(position, f"{what} was not committed to the end", unfinished=True)
    if status not in (b" ", b"u", PACKED) or tid <= after:
        raise Torn(position, f"the beginning of {what} is damaged")
    records, end = position + HEADER.size + sum(lengths), position + length
    if end < records or end + LENGTH.size > size:
        raise Torn(position, f"{what} is cut short, or its length is damaged")
    texts = [file.read(number) for number in lengths]
    first = file.read(RECORD.size) if records < end else b""
    if first and (len(first) < RECORD.size or RECORD.unpack(first)[1:4:2] != (tid, position)):
        raise Torn(position, f"the beginning of {what} is not the one of its records")
    file.seek(end)
    if file.read(LENGTH.size) != LENGTH.pack(length):
        raise Torn(position, f"the end of {what} is damaged")
    return Found(position, records, end, tid, status, *texts)


def read_all(file: BinaryIO, position: int, size: int, after: bytes = bytes(8)) -> Iterator[Found]:
    """Each transaction from `position` on, in the file's order.  Raises Torn."""
    while position < size:
        found = read_one(file, position, size, after)
        yield found
        position, after = found.next, found.tid


def fault_of(file: BinaryIO, found: Found) -> str:
    """The fault in the records of a transaction; empty if there is none."""
    try:
        records = list(_records(file, found))
    except Torn as torn:
        return torn.why
    expected = sum_in(found.extension)
    if expected is not None and found.status != PACKED:
        return "" if sum_of(records) == expected else "its data is not what was committed"
    return next((why for oid, data in records if (why := _fault_of_data(oid, data))), "")


def _records(file: BinaryIO, found: Found) -> Iterator[tuple[bytes, bytes]]:
    """Object id and data of each record; the data is empty where it only points to earlier data."""
    position = found.records
    while position < found.end:
        file.seek(position)
        head = file.read(RECORD.size)
        if len(head) < RECORD.size:
            raise Torn(position, "a record is cut short")
        oid, tid, previous, transaction, version, length = RECORD.unpack(head)
        if version or transaction != found.position or tid != found.tid or previous >= found.position:
            raise Torn(position, "the beginning of a record is damaged")
        position += RECORD.size + (length or LENGTH.size)
        if position > found.end:
            raise Torn(position, "the length of a record is damaged")
        data = file.read(length or LENGTH.size)
        if not length and LENGTH.unpack(data)[0] >= found.position:
            raise Torn(position, "a record points to nowhere")
        yield oid, data if length else b""


def _fault_of_data(oid: bytes, data: bytes) -> str:
    """Whether data is two pickles, the class and the state of an object."""
    if not data or data.startswith(COMPRESSED):
        return ""
    stream = io.BytesIO(data)
    try:
        for _part in ("class", "state"):
            for _operation in pickletools.genops(stream):
                continue
    except Exception as error:  # noqa: BLE001  # unpickling garbage may raise any exception
        return f"object {oid.hex()} cannot be read: {error}"
    return "" if stream.tell() == len(data) else f"object {oid.hex()} has more than its data"
