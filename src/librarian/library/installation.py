"""One installation: a tree, and the byte store whose bytes it names.

Both carry the same random id, made when they are first used together.  A tree with the bytes of another one
(a wrong URI, a volume that is not mounted, a new tree where the old one was lost) would work until a sweep
removes the bytes that it does not name.  So every process compares the two before it does anything else, and
the collector once more before it sweeps.

Where one of the two has no id, because both are new or an older version made them, they are put together if
they fit: both are empty, or most of the files that the tree names are held.
"""

import logging
import secrets
from itertools import islice
from typing import Any

from librarian.library.interfaces import NotOneInstallation
from librarian.store.interfaces import BytesDamaged, BytesNotFound, IByteStore, StoreTrouble
from librarian.tree.interfaces import ITree

log = logging.getLogger(__name__)

SAMPLE = 100  # contents that are looked for; ascending digests are a random choice


def unite(tree: ITree, store: IByteStore) -> None:
    """Check that both are of one installation; the first time, give both the same id.

    A store that cannot be read is left for later, as nothing can be removed from it either.  Raises
    NotOneInstallation.
    """
    with tree.session():
        try:
            if why := why_apart(tree, store):
                raise NotOneInstallation(why)
            ours = installation_of(tree)
            if ours is None or store.installation() is None:
                put_together(tree, store)
        except StoreTrouble as trouble:
            log.error("byte store not compared with the tree error=%s", trouble)


def installation_of(tree: ITree) -> str | None:
    """The id that the tree carries, in an open session."""
    found: str | None = tree.subtree("installation").id
    return found


def why_apart(tree: ITree, store: IByteStore) -> str:
    """Why these two cannot be one installation; empty if they can.  In an open session."""
    ours, theirs = installation_of(tree), store.installation()
    if ours is None or theirs is None:
        return _why_unfit(tree.subtree("library").contents, store)
    if ours != theirs:
        return f"the tree is of installation {ours}, the bytes are of {theirs}"
    return ""


def _why_unfit(contents: Any, store: IByteStore) -> str:
    named = [key.hex() for key in islice(contents.keys(), SAMPLE)]
    holds = _holds_anything(store)
    if not named:
        return "the byte store holds files, and the tree names none" if holds else ""
    if not holds:
        return "the tree names files, and the byte store holds none"
    found = sum(_knows(store, sha256) for sha256 in named)
    if found * 2 < len(named):
        return f"of {len(named)} files that the tree names the byte store holds {found}"
    return ""


def _holds_anything(store: IByteStore) -> bool:
    return any(True for _ in store) or any(True for _ in store.quarantined())


def _knows(store: IByteStore, sha256: str) -> bool:
    try:
        store.size(sha256)
    except BytesNotFound:
        return False
    except BytesDamaged:
        return True
    return True


def put_together(tree: ITree, store: IByteStore, *, anew: bool = False) -> str:
    """Give both the same id, the tree's if it has one; the store's first, so that of several processes
    that do this at the same time one decides.  With `anew` it replaces another one of the store's.

    A store with generations cannot decide: the tree is first there.
    Raises NotOneInstallation.
    """
    wanted = installation_of(tree) or store.installation() or secrets.token_hex(16)
    if store.uses_generations:
        wanted = tree.run(lambda: _note(tree, wanted))
    found = store.join(wanted, anew=anew)
    noted = tree.run(lambda: _note(tree, found))
    if noted != found:
        raise NotOneInstallation(f"the tree is of installation {noted}, the bytes are of {found}")
    log.info("installation id=%s", found)
    return found


def _note(tree: ITree, installation: str) -> str:
    """Give the tree this id unless it has one; the one that it has then."""
    mine = tree.subtree("installation")
    if mine.id is None:
        mine.id = installation
    found: str = mine.id
    return found
