"""The keys of a store, below its prefix.

bytes/<sha256>.<generation>        held; never stored a second time
ages/<sha256>.<generation>         the same bytes came again: the time, in its metadata
slices/<sha256>.<generation>       of a large file: what each slice hashes to, see librarian.store.cache
quarantine/<sha256>.<generation>   the bytes under this key are damaged
installation                       the id that the tree of this installation carries too
check                              written by IByteStore.check()
"""

from librarian.store.hashing import is_sha256

BYTES, AGES, SLICES, QUARANTINE = KINDS = "bytes", "ages", "slices", "quarantine"
INSTALLATION, CHECK = "installation", "check"


class Keys:
    """Keys below one prefix, which is empty or ends in a slash."""

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
        self.installation = f"{prefix}{INSTALLATION}"
        self.check = f"{prefix}{CHECK}"

    def of(self, kind: str, sha256: str, generation: int) -> str:
        """The key of one generation."""
        return f"{self.all_of(kind, sha256)}{generation}"

    def all_of(self, kind: str, sha256: str) -> str:
        """What the keys of all generations begin with."""
        return f"{self.prefix}{kind}/{sha256}."

    def all(self, kind: str) -> str:
        """What all keys of a kind begin with."""
        return f"{self.prefix}{kind}/"

    def parse(self, key: str) -> tuple[str, str, int] | None:
        """Kind, digest and generation; None for a key that of() does not make."""
        kind, _slash, name = key.removeprefix(self.prefix).partition("/")
        sha256, _dot, number = name.partition(".")
        if kind in KINDS and is_sha256(sha256) and number.isdecimal():
            return (kind, sha256, int(number)) if self.of(kind, sha256, int(number)) == key else None
        return None
