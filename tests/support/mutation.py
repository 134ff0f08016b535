"""Valid input, a little wrong: a seeded mutator for parsers of foreign bytes.

A parser that is given noise stops at its first check.  One that is given an example which was right before
a byte was changed is reached in its depths, which is why every target here begins with valid examples.
"""

import json
import os
import random
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

#: For a longer search: another seed, and more calls a target.
SEED = int(os.environ.get("LIBRARIAN_MUTATION_SEED", "20"))
CALLS = int(os.environ.get("LIBRARIAN_MUTATION_CALLS", "300"))

# What parsers stumble over: numbers that int() refuses or that no date holds, digits that are not ASCII's,
# line ends of all kinds, separators, zones, text that is no UTF-8, JSON that is too deep.
_TOKENS = (
    b"", b"0", b"-1", b"9" * 30, b"9" * 5000, b"1e999", b"Infinity", b"NaN", b"null", b"true", b"[]", b"{}",
    b"\xc2\xb2", b"\xe2\x91\xa0", b"\xff", b"\xed\xa0\x80", b"\x00", b"\n", b"\r\n", b"\n\n", b"\n ", b"\t",
    b"\x0b", b"\x85", b"\xe2\x80\xa8", b" ", b":", b";", b",", b"=", b"@", b"%", b"%ff", b"..", b"/", b"//",
    b"\\", b'"', b"'", b"[", b"]", b"{", b"}", b"*", b"[" * 5000, b'{"a":' * 3000, b"+2400", b"-9999",
    b"0001-01-01T00:00:00+23:59", b"9999-12-31T23:59:59-23:59", b"Mon, 01 Jan 0001 00:00:00 +2359",
    b"Fri, 31 Dec 9999 23:59:59 -2359", b"T24:00:00", b"-----BEGIN PGP SIGNED MESSAGE-----", b"# ", b"=?x?q?",
)  # fmt: skip
_NUMBER = re.compile(rb"\d+")
_VALUES: tuple[Any, ...] = (
    None,
    True,
    -1,
    10**40,
    1.5,
    float("inf"),
    "",
    "x",
    "9" * 5000,
    [],
    [None],
    {},
    "\ud800",
)


@dataclass(frozen=True, slots=True)
class Target:
    """A parser, what it may raise on purpose, and input it takes."""

    name: str
    parse: Callable[[bytes], object]
    refuses: tuple[type[Exception], ...]
    examples: Sequence[bytes]
    is_json: bool = field(default=False)


def mutations(target: Target, seed: int | str = SEED, calls: int = CALLS) -> Iterator[bytes]:
    """The examples, and `calls` inputs made of them; the same ones for the same seed."""
    chance = random.Random(f"{seed} {target.name}")
    yield from target.examples
    for _ in range(calls):
        text = chance.choice(target.examples)
        for _ in range(chance.choice((1, 1, 1, 2, 3, 6))):
            structural = target.is_json and chance.random() < 0.5
            text = _other_value(text, chance) if structural else _mutated(text, chance)
        yield text


def _mutated(text: bytes, chance: random.Random) -> bytes:
    start = chance.randrange(len(text) + 1)
    stop = min(len(text), start + chance.choice((0, 1, 1, 2, 8, 40)))
    how = chance.randrange(6)
    if how == 0:  # one bit
        return (
            text[:start]
            + bytes(byte ^ 1 << chance.randrange(8) for byte in text[start : start + 1])
            + text[start + 1 :]
        )
    if how == 1:  # cut short
        return text[:start]
    if how == 2:  # a piece gone
        return text[:start] + text[stop:]
    if how == 3:  # a piece said twice, elsewhere
        place = chance.randrange(len(text) + 1)
        return text[:place] + text[start:stop] + text[place:]
    if how == 4 and (numbers := list(_NUMBER.finditer(text))):
        found = chance.choice(numbers)
        start, stop = found.span()
    return text[:start] + chance.choice(_TOKENS) + text[stop:]


def _other_value(text: bytes, chance: random.Random) -> bytes:
    """The JSON with one value, somewhere, of another kind, or gone; other text as it is."""
    try:
        whole = json.loads(text)
    except (ValueError, RecursionError):
        return text
    places: list[tuple[Any, Any]] = []
    _collect(whole, places)
    if not places or chance.random() < 0.1:
        return json.dumps(chance.choice(_VALUES)).encode()
    holder, key = chance.choice(places)
    if chance.random() < 0.25:
        del holder[key]
    else:
        holder[key] = chance.choice(_VALUES)
    return json.dumps(whole).encode()


def _collect(value: Any, places: list[tuple[Any, Any]]) -> None:
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in pairs:
        places.append((value, key))
        _collect(inner, places)
