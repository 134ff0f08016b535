"""Which syncs of the recorded scenes are needed, and why the others are made.

A kind of sync is the path that is synced (`exploring.kind_of`); ``.`` is the folder of the installation.
Each kind in each recorded scene is either in NEEDED, for one scene at least, or in UNNEEDED.
"""

#: Scene -> the kinds without which something acknowledged is lost in it, on a disk as POSIX describes it.
NEEDED: dict[str, tuple[str, ...]] = {
    "FirstStart": (".", "tree", "bytes"),
    "Files": ("bytes/incoming/RANDOM", "bytes/ab", "bytes/ab/cd", "tree/Data.fs"),
    "Pieces": (
        "bytes/partial",
        "bytes/partial/RANDOM.mark",
        "bytes/partial/.RANDOM.part",
        "bytes/partial/RANDOM.data",
    ),
    "Upkeep": ("tree", "tree/Data.fs.pack"),
    "Backups": ("backup", "syncfs", "backup/manifests/TIME.unfinished", "backup/manifest.unfinished"),
    "BackupsWithoutSyncfs": (
        "backup/bytes",
        "backup/bytes/incoming/RANDOM",
        "backup/tree/Data.fs",
        "backup/tree",
        "backup/bytes/ab",
        "backup/bytes/ab/cd",
        "backup/manifests",
    ),
    "Restored": (
        "restored",
        "restored/tree.unfinished/Data.fs",
        "restored/bytes",
        "restored/bytes/incoming/RANDOM",
        "restored/bytes/ab",
        "restored/bytes/ab/cd",
        "restored/tree.unfinished",
    ),
    "Spooled": ("spool", "spool/new", "spool/tmp/.librarian-RANDOM.part", "spool/tmp/c"),
    "Exported": ("spool/.librarian/export-partner.jsonl",),
    "Imported": ("spool/.librarian", "spool/.librarian/import-partner.jsonl"),
    "Cached": ("cache/incoming/RANDOM",),
    "OnlyCopies": (
        "store/incoming/.RANDOM.part",
        "store/files/a/b",
        "store/files/a",
        "store/files",
        "store",
    ),
}

#: Kind -> why nothing is lost without it.
UNNEEDED: dict[str, str] = {
    "tree/Data.fs.PID.unfinished": "four bytes, and the sync of the first commit is one of the same file",
    "tree/Data.fs.index.index_tmp": "an index whose seal does not fit is built anew: one start is slower",
    "bytes/quarantine": "the sync of the leaf covers the same rename; without both a scrub finds it again",
    "spool/tmp": "the sync of the space that a file moved to covers the same rename",
    "spool/cur": "the sync of the space that a file moved from covers the same rename",
}
