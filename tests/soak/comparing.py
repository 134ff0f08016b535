"""Everything that was acknowledged is read over HTTP, at the running server or at a restored one."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from tests.soak.clients.base import HttpClient, shown, state_of
from tests.soak.clients.named import listed, read_named
from tests.soak.clients.trackers import read_tracked
from tests.soak.ledger import GONE, Key, Ledger
from tests.soak.world import World

READERS = 3  # at a time


class Reader(HttpClient):
    """Reads, and changes nothing."""

    kind = "reader"

    def state(self, key: Key) -> str:
        """What is there now.  Raises Unexpected for an answer that tells nothing of it."""
        if key.kind == "tree":
            return read_named(self, key.path)
        if key.kind == "tracker":
            return read_tracked(self, key.path)
        return state_of(self.ask("GET", key.kind, key.path, 200, 404, 410))


def differences(world: World, ledger: Ledger, begun: float, ended: float) -> tuple[int, list[str]]:
    """How many were compared with what they may be between two moments, and what is wrong."""
    reader = Reader(world, 0, "")
    reader.begin()

    def compared(key: Key) -> str:
        acceptable = ledger.acceptable(key, begun, ended)
        try:
            found = reader.state(key)
        except Exception as error:  # noqa: BLE001  # whatever keeps a file from being read
            return f"{key.kind} {key.path}: {type(error).__name__}: {error}"[:300]
        if found in acceptable:
            return ""
        return f"{key.kind} {key.path}: {shown(found)}, not {' or '.join(map(shown, acceptable))}"

    keys = ledger.all_keys()
    with ThreadPoolExecutor(READERS) as pool:
        found = [line for line in pool.map(compared, keys) if line]
    found += foreign_names(reader, ledger, begun, ended)
    reader.end()
    return len(keys), found


def foreign_names(reader: Reader, ledger: Ledger, begun: float, ended: float) -> Iterator[str]:
    """Names in the tree that no client has put there, by its listings."""
    folders = {key.path.rpartition("/")[0] for key in ledger.all_keys() if key.kind == "tree"}
    for folder in sorted(folders):
        for path, state in listed(reader, folder).items():
            if state not in ledger.acceptable(Key("tree", path), begun, ended) - {GONE}:
                yield f"tree {folder} lists {path}"
