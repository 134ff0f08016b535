"""From the library into a spool: what is published there goes to a partner too."""

import hashlib
from collections.abc import Iterable
from typing import Any

import transaction

from librarian.library.interfaces import ILibraryFileAlias
from librarian.spool.interfaces import IFileStore, ISpoolWriter
from librarian.store.interfaces import DigestMismatch

BLOCK = 256 * 1024  # bytes


def spool_alias(
    store: IFileStore,
    alias: ILibraryFileAlias,
    *,
    name: str | None = None,
    replace: bool = False,
    transaction_manager: Any = None,
) -> str:
    """Copy the file of an alias to a spool, as `name` or by its own; the name.

    It appears in `new` when the transaction commits (the thread's own, if none is given).  Raises
    BadName, NotStored (a LookupError) if the alias has no file to read, DigestMismatch if the bytes
    are not those the library took; NameTaken if `new` has a file of that name, or another writer is at
    work on one; if one came meanwhile, with the commit.
    """
    name = alias.filename if name is None else name
    with store.writer(name, replace=replace).join(transaction_manager or transaction.manager) as writer:
        sha256 = _copy(alias, writer)
        if sha256 != alias.content.sha256:
            raise DigestMismatch("sha256", alias.content.sha256, sha256)
    return name


def _copy(alias: ILibraryFileAlias, writer: ISpoolWriter) -> str:
    """Write the bytes of an alias; their SHA-256 in hex."""
    digest = hashlib.sha256()
    alias.open()
    try:
        while block := alias.read(BLOCK):
            digest.update(block)
            writer.write(block)
    finally:
        alias.close()
    return digest.hexdigest()


def spool_aliases(
    store: IFileStore, aliases: Iterable[tuple[str, ILibraryFileAlias]], *, replace: bool = False
) -> list[str]:
    """Copy many, such as what a folder of the tree holds, by (name, alias); all appear, or none."""
    return [spool_alias(store, alias, name=name, replace=replace) for name, alias in aliases]
