"""Backups: a folder that holds the tree and the bytes of a library as of one or more moments.

`librarian backup DIR` copies the tree first (`tree_copy`: the transactions since the last backup are
appended), then the bytes that this copy names and the folder lacks (`writing`), and writes a manifest last
(`manifests`).  A backup that was cut off has no manifest; the next one goes on from what it left.  With
`--leave-bytes` the bytes are not copied but stay in their object store (`left_bytes`).
`librarian restore DIR` makes a library of a manifest's copy and bytes, in an empty place (`restoring`),
after everything was compared with the manifest.

The folder may be another machine's disk: nothing in it refers to the library that it came from, and each
file is read as often as written.  Errors of this package say what is wrong with a folder, never with the
library.
"""

from pathlib import Path

from librarian.interfaces import LibrarianError


class NoBackup(LibrarianError, LookupError):
    """The folder holds no backup of this name, or none that this version reads."""


class BackupDamaged(LibrarianError, RuntimeError):
    """A backup is not what its manifest says."""


class NotOurBackup(LibrarianError, RuntimeError):
    """The folder holds backups of another library, or of this one before its tree was set back."""

    def __init__(self, folder: Path) -> None:
        super().__init__(
            f"{folder} holds backups of another library, or of this one before it was restored;"
            " begin a new folder"
        )
        self.folder = folder


class CannotLeaveBytes(LibrarianError, ValueError):
    """A site whose bytes cannot be left where they are."""


class NotEmpty(LibrarianError, FileExistsError):
    """A backup is restored into an empty place only."""

    def __init__(self, folder: Path) -> None:
        super().__init__(f"{folder} is not empty")
        self.folder = folder
