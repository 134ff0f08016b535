"""What a bucket holds, looked at by one who has no tree that knows the generations."""

from collections.abc import Iterator
from itertools import groupby

from zope.interface import implementer

from librarian.store.s3.calls import Calls
from librarian.store.s3.interfaces import DAMAGED, IKeptObjects, NoSuchKey
from librarian.store.s3.keys import BYTES, QUARANTINE, Keys
from librarian.store.s3.objects import walk


@implementer(IKeptObjects)
class KeptObjects:
    """As the listings of one prefix show it; nothing is read but the installation's id."""

    def __init__(self, calls: Calls, keys: Keys) -> None:
        self._calls = calls
        self._keys = keys

    def installation(self) -> str | None:
        try:
            return b"".join(self._calls.read(self._keys.installation)).decode("ascii", "replace").strip()
        except NoSuchKey:
            return None

    def walk(self) -> Iterator[tuple[str, dict[int, int]]]:
        damaged = {(sha256, number) for sha256, number, _size in self._all(QUARANTINE)}
        for sha256, found in groupby(self._all(BYTES), key=lambda entry: entry[0]):
            yield (
                sha256,
                {number: DAMAGED if (sha256, number) in damaged else size for _, number, size in found},
            )

    def _all(self, kind: str) -> Iterator[tuple[str, int, int]]:
        for batch in walk(self._calls, self._keys, kind):
            yield from batch
