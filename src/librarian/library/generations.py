"""Which generation of some bytes the tree names, for byte stores that ask (`uses_generations`)."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeVar

from zope.component import getUtility
from zope.interface import implementer

from librarian.library.model.subtree import LibrarySubtree
from librarian.store.interfaces import BytesRetired
from librarian.store.s3.interfaces import IGenerations
from librarian.tree.interfaces import ITree

S = TypeVar("S")
T = TypeVar("T")

ATTEMPTS = 5


@implementer(IGenerations)
class Generations:
    """The entries in the library's subtree, of `tree` or else of the registered one.  What is changed here is
    committed at once."""

    def __init__(self, tree: ITree | None = None) -> None:
        self._tree = tree

    def current(self, sha256s: Sequence[str]) -> list[int]:
        keys = [bytes.fromhex(sha256) for sha256 in sha256s]
        return self._in_subtree(lambda subtree: [subtree.generation_of(key) for key in keys])

    def for_upload(self, sha256: str) -> tuple[int, bool]:
        key = bytes.fromhex(sha256)
        return self._in_subtree(lambda subtree: (subtree.generation_of(key), key in subtree.contents))

    def retire(self, sha256: str) -> int | None:
        return self._in_subtree(lambda subtree: subtree.retire(bytes.fromhex(sha256)))

    def condemn(self, sha256: str, generation: int) -> bool:
        return self._in_subtree(lambda subtree: subtree.condemn(bytes.fromhex(sha256), generation))

    def _in_subtree(self, work: Callable[[LibrarySubtree], T]) -> T:
        tree = getUtility(ITree) if self._tree is None else self._tree
        found: T = tree.run_independently(lambda: work(tree.subtree("library")))
        return found


def store_and_name(
    run: Callable[[Callable[[], Any]], Any], store: Callable[[], S], name: Callable[[S], T]
) -> T:
    """Store bytes, and name them in a transaction that `run` makes, such as ITree.run_together().

    Both once more where a sweep, or a scrub that found damage, was between the two: repeating the transaction
    alone could not help.  Raises BytesRetired if that happens ATTEMPTS times.
    """
    for _attempt in range(ATTEMPTS - 1):
        named: T | BytesRetired = run(partial(name_or_retired, name, store()))
        if not isinstance(named, BytesRetired):
            return named
    last: T = run(partial(name, store()))
    return last


def name_or_retired(name: Callable[[S], T], stored: S) -> T | BytesRetired:
    """What `name` returns, or BytesRetired as a value: raised, it would have the transaction repeated."""
    try:
        return name(stored)
    except BytesRetired as retired:
        return retired
