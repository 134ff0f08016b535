"""Bodies of hostile requests: JSON, forms, parts, and bytes of no sort."""

import gzip
import json
from collections.abc import Mapping
from random import Random
from typing import Any
from urllib.parse import quote_plus

from tests.fuzz.field_values import CONTENT_TYPES
from tests.fuzz.words import FORM_FIELDS, WORDS

BOUNDARY = "B"
_DEEP = ("[" * 3000, "{" + '"a":{' * 1500, "[" * 100_000 + "]" * 100_000)
_LITERALS = ("NaN", "-Infinity", '"\\ud800"', '{"\\udfff": 1}', "1e999", "\ufeff{}", "{'a': 1}", "{,}", "00")


Fields = Mapping[str, Any]


def any_body(chance: Random, known: Fields | None = None) -> tuple[str, bytes]:
    """A Content-Type and the bytes that go with it, or do not; of a form that says `known`, or anything."""
    if known is None and chance.random() < 0.3:
        kind, body = chance.choice((raw, raw, packed))(chance)
    else:
        kind, body = chance.choice((json_body, form, parts))(chance, _fields(chance, known))
    if chance.random() < 0.1:
        kind = chance.choice(CONTENT_TYPES)
    if body and chance.random() < 0.07:
        body = damaged(chance, body)
    return kind, body


def damaged(chance: Random, data: bytes, most: int = 4) -> bytes:
    """`data` with a few bytes changed, left out, doubled, or put in."""
    changed = bytearray(data)
    for _ in range(chance.randint(1, most)):
        place = chance.randrange(len(changed) + 1)
        changed[place : place + chance.randint(0, 3)] = chance.choice(
            (
                b"",
                chance.randbytes(1),
                chance.randbytes(3),
                b"\r\n",
                b"\x00",
                bytes(changed[place : place + 9]),
            )
        )
    return bytes(changed)


def value(chance: Random, depth: int = 0) -> Any:
    """Something that JSON can say."""
    kind = chance.random()
    if kind < 0.55 or depth > 2:
        return chance.choice(WORDS)
    if kind < 0.8:
        return chance.choice((None, True, False, 0, -1, 1.5, 10**30, 2**63, 1e300, ""))
    if kind < 0.9:
        return [value(chance, depth + 1) for _ in range(chance.randint(0, 4))]
    return {chance.choice(FORM_FIELDS): value(chance, depth + 1) for _ in range(chance.randint(0, 4))}


def _fields(chance: Random, known: Fields | None) -> Fields:
    """Those that are known, with something wrong in them or nothing; otherwise any."""
    if known is None:
        return {chance.choice(FORM_FIELDS): value(chance) for _ in range(chance.randint(0, 7))}
    return {name: value(chance) if chance.random() < 0.2 else said for name, said in known.items()}


def json_body(chance: Random, fields: Fields) -> tuple[str, bytes]:
    if chance.random() < 0.06:
        return "application/json", chance.choice((*_DEEP, *_LITERALS)).encode("utf-8")
    said = fields if chance.random() < 0.95 else value(chance)
    return "application/json", json.dumps(said).encode()


def form(chance: Random, fields: Fields) -> tuple[str, bytes]:
    said = ((name, str(each)) for name, each in fields.items())
    pairs = (f"{_quoted(name)}={_quoted(each)}" for name, each in said)
    body = chance.choice((*("&",) * 10, ";", "&&")).join(pairs)
    if chance.random() < 0.05:
        body += "&a=" * 3000
    return "application/x-www-form-urlencoded", body.encode("latin-1")


def _quoted(text: str) -> str:
    return quote_plus(text, encoding="latin-1", errors="replace")


def parts(chance: Random, fields: Fields) -> tuple[str, bytes]:
    """multipart/form-data, mostly as a browser would send it."""
    pieces = []
    for name, said in fields.items():
        disposition = f'Content-Disposition: form-data; name="{name}"'
        if chance.random() < (0.9 if name == "file" else 0.15):
            disposition += f'; filename="{chance.choice(WORDS)}"'
        lines = [f"--{BOUNDARY}", disposition]
        if chance.random() < 0.15:
            coding = chance.choice(("base64", "quoted-printable", "x-uuencode", "8bit", "\xff"))
            lines.append(f"Content-Transfer-Encoding: {coding}")
        if chance.random() < 0.2:
            lines.append(f"Content-Type: {chance.choice(CONTENT_TYPES)}")
        if chance.random() < 0.1:
            lines.append(f"Content-Length: {chance.choice(WORDS)}")
        pieces.append("\r\n".join([*lines, "", str(said), ""]))
    end = chance.choice((f"--{BOUNDARY}--\r\n",) * 5 + (f"--{BOUNDARY}", "", f"--{BOUNDARY}--"))
    return f"multipart/form-data; boundary={BOUNDARY}", "".join([*pieces, end]).encode("latin-1", "replace")


def raw(chance: Random) -> tuple[str, bytes]:
    size = chance.choice((0, 1, 10, 100, 100, 3000, 70_000))
    return chance.choice(CONTENT_TYPES), chance.randbytes(size)


def packed(chance: Random) -> tuple[str, bytes]:
    """gzip: whole, cut, doubled, or growing a thousandfold."""
    data = gzip.compress(chance.choice((b"", b"abc", b"\x00" * 3_000_000)), mtime=0)
    return "application/gzip", chance.choice((data, data[:-5], data + data, data[:15]))
