"""The answers to bearers of tokens that are being sent."""

import secrets
import time
from collections import Counter
from hashlib import sha256
from pathlib import Path
from threading import Condition

WAIT_SECONDS = 1.0  # how long a client that comes back waits for the end of its earlier answers
LOOK_SECONDS = 0.02  # between two looks at a folder

Bearer = tuple[bytes, str]  # a token's hash, a client's key


class ActiveAnswers:
    """The number of answers that this process is sending to each client of a token."""

    def __init__(self) -> None:
        self._changed = Condition()
        self._counts: Counter[Bearer] = Counter()

    def begin(self, bearer: Bearer) -> None:
        """Count one more answer to this client."""
        with self._changed:
            self._counts[bearer] += 1

    def end(self, bearer: Bearer) -> None:
        """Count one answer less, and wake requests that wait for the last one."""
        with self._changed:
            self._counts[bearer] -= 1
            if not self._counts[bearer]:
                del self._counts[bearer]
            self._changed.notify_all()

    def ends_soon(self, bearer: Bearer) -> bool:
        """Wait up to WAIT_SECONDS for the end of an answer to `bearer`; False if there is none."""
        with self._changed:
            before = self._counts[bearer]
            return before > 0 and self._changed.wait_for(lambda: self._counts[bearer] < before, WAIT_SECONDS)


class SharedActiveAnswers(ActiveAnswers):
    """The answers that all workers of a server are sending: each is an empty file in `folder`.

    A file that a killed worker leaves behind stays until the server ends.  Until then its client, once it has
    used up its downloads, is refused after WAIT_SECONDS instead of at once.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder
        self._files: dict[Bearer, list[Path]] = {}
        folder.mkdir(mode=0o700, exist_ok=True)

    def begin(self, bearer: Bearer) -> None:
        file = self._folder / f"{_name(bearer)}{secrets.token_hex(8)}"
        file.touch(mode=0o600)
        with self._changed:
            self._files.setdefault(bearer, []).append(file)

    def end(self, bearer: Bearer) -> None:
        with self._changed:
            files = self._files[bearer]
            file = files.pop()
            if not files:
                del self._files[bearer]
        file.unlink(missing_ok=True)

    def ends_soon(self, bearer: Bearer) -> bool:
        before, deadline = self._count(bearer), time.monotonic() + WAIT_SECONDS
        while before > 0 and time.monotonic() < deadline:
            if self._count(bearer) < before:
                return True
            time.sleep(LOOK_SECONDS)
        return False

    def _count(self, bearer: Bearer) -> int:
        return sum(1 for _file in self._folder.glob(f"{_name(bearer)}*"))


def _name(bearer: Bearer) -> str:
    key, client = bearer
    return sha256(key + client.encode()).hexdigest()[:32]
