"""Hostile inputs to all parsers of foreign bytes, of one seed: bin/py -m tests.fuzz.parsers [inputs=] [seed=]

`make soak` gives a million.  An input that takes a parser along lines of ours that none of the corpus takes
is worth keeping: with grow=yes it is added to corpus.json, which `make test` gives to each parser before it
mutates the examples.  One input is kept for each way through, so the corpus stays small.
"""

import gc
import json
import logging
import resource
import secrets
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import Any

from tests.fuzz.corpus import CORPUS, stored
from tests.support.mutation import Target, mutations
from tests.test_foreign_bytes import targets

OURS = str(Path("src", "librarian").resolve())
MOST_SECONDS = 5.0  # for one input
MOST_GROWTH_MIB = 64.0
LARGEST = 400  # bytes of an input that is kept
MOST_KEPT = 12  # inputs of a parser


def main() -> None:
    given = dict(argument.partition("=")[::2] for argument in sys.argv[1:])
    number, seed = int(given.get("inputs") or 1_000_000), given.get("seed") or secrets.token_hex(4)
    print(f"seed {seed}: {number} inputs", flush=True)
    logging.disable()  # what cannot be read is logged, as it should be
    with tempfile.TemporaryDirectory() as folder:
        found = Search(targets(Path(folder)), seed, grow=given.get("grow") == "yes").run(number)
    print("\n".join(found) or "nothing found")
    sys.exit(1 if found else 0)


class Search:
    """Inputs of one seed to all parsers in turn, and what was wrong."""

    def __init__(self, parsers: list[Target], seed: str, grow: bool) -> None:
        self._parsers = parsers
        self._seed = seed
        self._grow = grow
        self._corpus = {name: list(texts) for name, texts in stored().items()}
        self.faults: list[str] = []

    def run(self, number: int) -> list[str]:
        """A tenth of the inputs is the warm-up; after it memory and descriptors stay as they are."""
        begun, each = time.monotonic(), max(1, number // len(self._parsers))
        self._round(each // 10, "warm-up")
        descriptors, memory = _descriptors(), _memory_mib()
        self._round(each - each // 10, "")
        if _descriptors() > descriptors + 2:
            self.faults.append(f"descriptors: {descriptors} before, {_descriptors()} after")
        if _memory_mib() > memory + MOST_GROWTH_MIB:
            self.faults.append(f"memory: {memory:.0f} MiB before, {_memory_mib():.0f} after")
        if self._grow:
            CORPUS.write_text(json.dumps(self._corpus, indent=1, sort_keys=True) + "\n", "utf-8")
        print(f"{each * len(self._parsers)} inputs in {time.monotonic() - begun:.0f} s", flush=True)
        return self.faults

    def _round(self, calls: int, part: str) -> None:
        for parser in self._parsers:
            ways = {self._way(parser, body) for body in self._kept(parser)} if self._grow else set()
            wider = replace(parser, examples=[*parser.examples, *self._kept(parser)])
            for body in mutations(wider, f"{self._seed}{part}", calls):
                self._judge(parser, body)
                if self._grow and len(body) <= LARGEST and len(self._kept(parser)) < MOST_KEPT:
                    way = self._way(parser, body)
                    if way not in ways:
                        ways.add(way)
                        self._corpus.setdefault(parser.name, []).append(body.decode("latin-1"))

    def _kept(self, parser: Target) -> list[bytes]:
        return [text.encode("latin-1") for text in self._corpus.get(parser.name, ())]

    def _judge(self, parser: Target, body: bytes) -> None:
        started = time.process_time()
        try:
            parser.parse(body)
        except parser.refuses:
            pass
        except Exception as error:  # noqa: BLE001  # any other is what is looked for
            self.faults.append(f"{parser.name}: {type(error).__name__}: {error}: {body[:200]!r}"[:500])
        if time.process_time() - started > MOST_SECONDS:
            self.faults.append(f"{parser.name}: more than {MOST_SECONDS:.0f} s: {body[:200]!r}")

    def _way(self, parser: Target, body: bytes) -> frozenset[Any]:
        """The lines of ours that an input leads along."""
        lines: set[Any] = set()

        def note(frame: FrameType, event: str, _argument: Any) -> Any:
            if not frame.f_code.co_filename.startswith(OURS):
                return None
            lines.add((frame.f_code.co_filename, frame.f_lineno))
            return note

        sys.settrace(note)
        try:
            self._judge(parser, body)
        finally:
            sys.settrace(None)
        return frozenset(lines)


def _descriptors() -> int:
    gc.collect()
    return sum(1 for _each in Path("/proc/self/fd").iterdir())


def _memory_mib() -> float:
    """The most that was resident so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
