"""BTrees for indexes whose keys come in no order, such as digests and random ids.

A commit stores every bucket whole that has got a new entry.  Where each upload meets a bucket of its own,
what it writes is the size of the bucket and, whenever one is split, that of the node over it.  BTrees' own
sizes (30 and 60 entries, 250 and 500 children) suit keys that come in order.  With these an upload writes a
third, and a look-up in a million entries loads two nodes more.

Buckets keep BTrees' own classes: a ZEO server resolves their conflicts without this code.
"""

from bisect import bisect_right
from functools import partial
from typing import Any

from BTrees.LLBTree import LLBTree
from BTrees.LOBTree import LOBTree
from BTrees.OOBTree import OOBTree, OOTreeSet
from transaction import TransactionManager

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


class SmallLLBTree(LLBTree):
    """Integers to integers."""

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
    """A step: give these attributes of a subtree, BTrees of BTrees' own sizes, the small ones.

    A new tree takes over the buckets of the old one; only the nodes over them, one for some hundred buckets,
    are written.  A large bucket is split when an entry is next put into it.  Each index is a transaction of
    its own, and so a run that was cut off is continued by the next.

    Other processes may change the index meanwhile, also such as know the old layout alone.  Whatever they
    change stays: in the buckets, which both trees have, or it meets a conflict and is done once more.
    """
    database, oid = subtree._p_jar.db(), subtree._p_oid
    manager = TransactionManager()
    connection = database.open(manager)
    try:
        for name in names:
            # One connection for all attempts: those after a conflict load only the nodes that have changed.
            work = partial(_take_place, connection, oid, name)
            retrying(partial(in_transaction, manager, work))
            connection.cacheMinimize()
    finally:
        manager.abort()
        connection.close()


def _take_place(connection: Any, oid: bytes, name: str) -> None:
    subtree = connection.get(oid)
    large = getattr(subtree, name)
    kind = KINDS.get(type(large))
    if kind is None:
        return
    setattr(subtree, name, _taken_over(large, kind))
    vars(subtree).pop(f"_small_{name}", None)  # a copy that an earlier form of this step did not complete


def _taken_over(large: Any, kind: type) -> Any:
    """A tree of `kind` over the buckets of `large`, which is empty afterwards.

    To empty it is a lock: a writer that has found its bucket by way of a node has to conflict with the change
    of that node, by BTrees' readCurrent() or as BTrees merge nothing with an empty bucket.
    """
    small, state = kind(), large.__getstate__()
    if state is not None and len(state) == 2:  # ((child, key, child, ...), the first bucket)
        children = (_taken_over(each, kind) if type(each) is type(large) else each for each in state[0])
        state = (tuple(children), state[1])
    small.__setstate__(state)
    large.clear()
    large._p_changed = True  # it may have been empty
    return small
