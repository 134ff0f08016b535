"""Inputs worth keeping: corpus.json has one for each way through a parser; see tests.fuzz.parsers."""

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path

CORPUS = Path(__file__).with_name("corpus.json")


@cache
def stored() -> dict[str, list[str]]:
    """The kept inputs as Latin-1, by the names of their parsers."""
    found: dict[str, list[str]] = json.loads(CORPUS.read_text("utf-8")) if CORPUS.exists() else {}
    return found


def kept(name: str) -> Iterator[bytes]:
    """The inputs that are kept for a parser."""
    return (text.encode("latin-1") for text in stored().get(name, ()))
