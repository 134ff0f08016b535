"""A tree in a file: ZODB's FileStorage, made safe against a lost end and a full disk.

The file is a sequence of transactions, each of which begins and ends with its own length.  A process that is
killed, or a machine that loses its power, leaves a last transaction that is not whole: a *torn end*.  When
the file is opened, `tails` looks for one and cuts it off, keeping its bytes beside the file.  Nothing is cut
off where whole transactions follow, or where the index beside the file tells that the lost part had been on
the disk: that is damage, and is refused (TreeDamaged, TreeShortened) so that a person decides.
`crash_recovery` puts in order what a pack or a first start leaves that was killed between two renames.

`checksums` adds a checksum to each transaction, as FileStorage has none, so that
``librarian fsck --tree`` can tell each damaged transaction.  `full_disk` keeps a reserve for the work that
frees room on a full disk.
"""


class Torn(Exception):  # a finding about the file, not a failed operation, so no LibrarianError
    """The bytes at `position` are no whole transaction.  `unfinished`: it was never committed."""

    def __init__(self, position: int, why: str, *, unfinished: bool = False) -> None:
        super().__init__(why)
        self.position = position
        self.why = why
        self.unfinished = unfinished
