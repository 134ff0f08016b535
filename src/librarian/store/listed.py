"""Sizes of bytes, for one who goes through all of them."""

from typing import Any

from librarian.store.s3.interfaces import IRemoteBytes


class ListedSizes:
    """Asked for in ascending order of the digests.

    Of a store in the network they come from its listing, a request for a thousand, where a question for each
    would take 10 ms; only what the listing lacks is asked for.
    """

    def __init__(self, store: Any) -> None:
        """`store` has size(), as IByteStore has it."""
        self._store = store
        self._listed = store.sizes() if IRemoteBytes.providedBy(store) else iter(())
        self._at: tuple[str, int] | None = ("", 0)

    def of(self, sha256: str) -> int:
        """In bytes.  Raises BytesNotFound, BytesDamaged, StoreUnavailable."""
        while self._at is not None and self._at[0] < sha256:
            self._at = next(self._listed, None)
        if self._at is not None and self._at[0] == sha256:
            return self._at[1]
        size: int = self._store.size(sha256)
        return size
