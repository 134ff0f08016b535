"""The copy of the tree in a folder of backups, made fit for more to be appended.

A backup that was killed leaves more in the copy than the newest manifest names, the end of it perhaps
half a transaction.  All of that is cut off first.  A copy whose named part is not what its manifest says,
as after a fault of the disk, is left as it is, for the older backups in it; a second copy is begun beside
it (``Data-2.fs``), and manifests name the one they are of.
"""

import hashlib
import logging
from collections.abc import Callable
from pathlib import Path

from librarian.library.backup.interfaces import NotOurBackup
from librarian.library.backup.manifests import (
    Manifest,
    all_manifests,
    make_folder,
    make_own_folder,
    read_part,
)
from librarian.tree.copying import cut_copy, open_copy

log = logging.getLogger(__name__)

FIRST = "Data.fs"
BESIDE = ("", ".index", ".index.index_tmp", ".tmp", ".lock")  # what may be there of one copy


class TreeCopy:
    """The copy that the next backup of `folder` appends to.

    `is_known` says whether the tree remembers the mark of a backup.  Raises NotOurBackup, and NoBackup
    where a manifest cannot be read, since what it names may not be touched.
    """

    def __init__(self, folder: Path, is_known: Callable[[str], bool]) -> None:
        self._folder = folder
        make_folder(folder)
        make_own_folder(folder / "tree")
        self._manifests = all_manifests(folder)
        base = max(self._manifests, key=lambda found: (found.last_transaction, found.made), default=None)
        self._digest = hashlib.sha256()
        self._size = 0
        self._remove_unfinished()
        self.path = self._begun() if base is None else self._fit(base, is_known)

    def finish(self) -> tuple[int, str]:
        """Size and SHA-256 of the copy as it is now."""
        end = self.path.stat().st_size
        read_part(self.path, self._size, end, self._digest.update)
        return end, self._digest.hexdigest()

    def _fit(self, base: Manifest, is_known: Callable[[str], bool]) -> Path:
        path = self._folder / "tree" / base.copy
        sound = self._is_sound(path, base)
        self._require_ours(base, path if sound else None, is_known)
        if sound and base.proven:
            cut_copy(path, base.tree_size)
            self._size = base.tree_size
            return path
        if not sound:
            log.error("copy of the tree damaged, another is begun copy=%s backup=%s", path, base.made)
        self._digest = hashlib.sha256()
        return self._begun()

    def _is_sound(self, path: Path, base: Manifest) -> bool:
        try:
            read_part(path, 0, base.tree_size, self._digest.update)
        except OSError as error:
            log.error("copy of the tree cannot be read copy=%s error=%s", path, error)
            return False
        return self._digest.hexdigest() == base.tree_sha256

    def _require_ours(self, base: Manifest, copy: Path | None, is_known: Callable[[str], bool]) -> None:
        """Raise NotOurBackup for a copy with the mark of a backup that the tree does not know.

        Where neither the manifest nor a sound copy has a mark, only a new copy comes of it, which
        does no harm.
        """
        mark = base.mark
        if not mark and copy is not None:
            with open_copy(copy, bytes.fromhex(base.last_transaction)) as found:
                mark = found.root["upkeep"].backups[-1]
        if mark and not is_known(mark):
            raise NotOurBackup(self._folder)

    def _begun(self) -> Path:
        """The path of a new copy."""
        folder, number = self._folder / "tree", 1
        path = folder / FIRST
        taken = {found.copy for found in self._manifests}
        while path.name in taken or path.exists():
            number += 1
            path = folder / f"Data-{number}.fs"
        return path

    def _remove_unfinished(self) -> None:
        """Remove copies that no backup was ever finished with."""
        named = {found.copy for found in self._manifests}
        for path in (self._folder / "tree").glob("Data*.fs"):
            if path.name not in named:
                for suffix in BESIDE:
                    Path(f"{path}{suffix}").unlink(missing_ok=True)
