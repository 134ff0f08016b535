"""BTrees for indexes whose keys come in no order, such as digests and random ids.

A commit stores every bucket whole that has got a new entry.  Where each upload meets a bucket of its own,
what it writes is the size of the bucket and, whenever one is split, that of the node over it.  BTrees' own
sizes (30 and 60 entries, 250 and 500 children) suit keys that come in order.  With these an upload writes a
third, and a look-up in a million entries loads two nodes more.

Buckets keep BTrees' own classes: a ZEO server resolves their conflicts without this code.
"""

from bisect import bisect_right
from collections.abc import Callable
from functools import partial
from typing import Any

from BTrees.LOBTree import LOBTree
from BTrees.OOBTree import OOBTree, OOTreeSet
from transaction import TransactionManager

from librarian.tree.batches import BATCH, next_keys
from librarian.tree.retrying import in_transaction, retrying

LEAF, CHILDREN = 10, 20


class SmallOOBTree(OOBTree):
    """Any keys and values."""

    max_leaf_size = LEAF
    max_internal_size = CHILDREN


class SmallLOBTree(LOBTree):
    """Integers to any values."""

    max_leaf_size = LEAF
    max_internal_size = CHILDREN


class SmallOOTreeSet(OOTreeSet):
    """Any keys."""

    max_leaf_size = LEAF
    max_internal_size = CHILDREN


KINDS: dict[type, Any] = {OOBTree: SmallOOBTree, LOBTree: SmallLOBTree, OOTreeSet: SmallOOTreeSet}


def nodes_on_the_way(tree: Any, key: Any) -> list[bytes]:
    """The _p_oid of each stored node of a BTree that a look-up of `key` reads: as long as none of them
    changes, it finds the same."""
    found, node = [], tree
    while node._p_oid is not None:
        found.append(node._p_oid)
        state = node.__getstate__() if isinstance(node, type(tree)) else None
        if (
            state is None or len(state) == 1
        ):  # a bucket, an empty tree, or one whose only bucket is in its record
            break
        children = state[0]  # child, key, child, ..., child
        node = children[2 * bisect_right(children[1::2], key)]
    return found


def make_small(subtree: Any, names: tuple[str, ...]) -> None:
    """A step: copy these attributes of a subtree, BTrees of BTrees' own sizes, into small ones.

    In independent transactions of BATCH entries each, so memory does not grow with the tree.  A run that was
    cut off is continued by the next; of several processes that start at the same time each does a part.
    """
    database, oid = subtree._p_jar.db(), subtree._p_oid
    for name in names:
        while retrying(partial(_in_connection, database, oid, partial(_copy_some, name=name))):
            pass


def _in_connection(database: Any, oid: bytes, work: Callable[[Any], bool]) -> bool:
    manager = TransactionManager()
    connection = database.open(manager)
    try:
        done: bool = in_transaction(manager, lambda: work(connection.get(oid)))
        connection.cacheMinimize()
        return done
    finally:
        connection.close()


def _copy_some(subtree: Any, name: str) -> bool:
    """Copy a batch of entries; after the last, the copy takes the tree's place.  False: nothing to do."""
    large, draft_name = getattr(subtree, name), f"_small_{name}"
    kind = KINDS.get(type(large))
    if kind is None:
        return False
    draft: Any = getattr(subtree, draft_name, None)
    if draft is None:
        draft = kind()
        setattr(subtree, draft_name, draft)
    keys = next_keys(large, draft.maxKey() if draft else None)
    draft.update([(key, large[key]) for key in keys] if hasattr(large, "items") else keys)
    if len(keys) < BATCH:
        setattr(subtree, name, draft)
        delattr(subtree, draft_name)
    return True
