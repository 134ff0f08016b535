"""What the library does while it is recorded, and what it acknowledges.

Before a change a scene says what may be from now on, and after it what is; so at every moment it is known
what a reader may find.  A thing is named by a kind that `judging` knows, and a name.  The clock is moved by
hand, and that is said too: leases and ages go by it.
"""

import hashlib
import random
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

from librarian import durable
from tests.crash.recording import Words
from tests.support.documents.library import keep, library_in
from tests.support.layers import Functional


def digest(data: bytes) -> str:
    """The SHA-256, in hex."""
    return hashlib.sha256(data).hexdigest()


def describe(record: Any) -> list[Any]:
    """What the tree says of a file, as its alias has it."""
    return [record.content and record.content.sha256, record.filename, record.restricted]


def known(kinds: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    """What is found from the beginning, by kind and name, in one word."""
    each = ((kind, name, value) for kind, things in kinds.items() for name, value in things.items())
    return [{"holds": [kind, name], "value": value} for kind, name, value in each]


class Promises:
    """Says what a reader may find, and what it has to."""

    def __init__(self, words: Words) -> None:
        self._words = words
        self.move_clock()

    def may(self, kind: str, name: object, value: Any) -> None:
        """From now on `value` may be found as well."""
        self._words.say(may=[kind, str(name)], value=value)

    def holds(self, kind: str, name: object, value: Any) -> None:
        """From now on `value` is found, and nothing else."""
        self._words.say(holds=[kind, str(name)], value=value)

    def forget(self, kind: str, name: object) -> None:
        """From now on nothing is promised of it."""
        self._words.say(forget=[kind, str(name)])

    def partner(self, files: dict[str, bytes]) -> None:
        """What a partner's server holds now."""
        self._words.say(partner={name: data.hex() for name, data in files.items()})

    def pause(self) -> None:
        """A moment worth a look, at which nothing new is promised."""
        self._words.say()

    def move_clock(self, **by: int) -> None:
        """Move the clock, which a judge has to know."""
        Functional.world.clock.move(**by)
        self._words.say(clock=Functional.world.clock.now().isoformat())


class Scene:
    """A library in a folder, and promises on it; `prepare` is done before the recording begins."""

    def __init__(self, site: Path, words: Words) -> None:
        self.site = site
        self.promises = Promises(words)
        self.chance = random.Random(type(self).__name__)
        self.contents: set[str] = set()

    @classmethod
    def prepare(cls, site: Path) -> None:
        """Make what is there and durable at the beginning."""
        with library_in(site) as library:
            keep(library, b"a first one")  # a collector refuses a tree that names nothing

    def run(self) -> None:
        """Do it."""
        with library_in(self.site) as library:
            self.library = library
            self.work()

    def work(self) -> None:
        """What is recorded within an open library."""

    def add(self, data: bytes, **options: Any) -> int:
        """A file that is acknowledged; its id."""
        alias_id = keep(self.library, data, **options)
        self.promises.holds("alias", alias_id, [digest(data), options.get("restricted", False)])
        self.contents.add(digest(data))
        return alias_id

    @staticmethod
    def without_syncfs() -> Any:
        """On a file system whose syncfs(2) is not relied on, for the length of a `with`."""
        return mock.patch.object(durable, "sync_file_system", lambda _directory: False)

    @contextmanager
    def changing(self, kind: str, name: object, value: Any) -> Any:
        """Something becomes `value` during a `with`."""
        self.promises.may(kind, name, value)
        yield
        self.promises.holds(kind, name, value)
