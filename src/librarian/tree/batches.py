"""Large BTrees, walked in batches: memory does not grow with them, and others commit meanwhile."""

from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

import transaction

from librarian.tree.interfaces import ITree

BATCH = 1000  # entries of one transaction


def next_keys(entries: Any, after: Any = None, size: int = BATCH, last: Any = None) -> list[Any]:
    """Up to `size` keys of a BTree or TreeSet, those behind `after` and up to `last`; None is no limit."""
    return list(islice(entries.keys(min=after, max=last, excludemin=after is not None), size))


def read_in_batches(
    tree: ITree,
    entries: Callable[[], Any],
    fetched: Callable[[Any], Any] = lambda key: None,
    *,
    size: int = BATCH,
    after: Any = None,
    last: Any = None,
) -> Iterator[list[Any]]:
    """Keys of a BTree or TreeSet, a list for each batch, the last one shorter than `size` and perhaps empty.

    `entries` gives the BTree anew for every batch, which begins a transaction in this thread's session and so
    sees what was committed until then; objects loaded for the batch before become ghosts.  `fetched` gives
    the persistent object that a key leads to, or None: those of a batch are fetched together.
    """
    while True:
        transaction.begin()
        tree.forget_loaded()
        keys = next_keys(entries(), after, size, last)
        tree.prefetch([thing for thing in map(fetched, keys) if thing is not None])
        yield keys
        if len(keys) < size:
            return
        after = keys[-1]


def change_in_batches(
    tree: ITree, entries: Callable[[], Any], work: Callable[[list[Any]], object], *, size: int = BATCH
) -> None:
    """Do `work` with the keys of a BTree, each batch a transaction of its own, repeated on a conflict."""
    after: Any = None

    def batch() -> list[Any]:
        keys = next_keys(entries(), after, size)
        work(keys)
        return keys

    while keys := tree.run(batch):
        after = keys[-1]
        tree.forget_loaded()
