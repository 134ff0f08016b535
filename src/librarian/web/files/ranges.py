"""The slices of a file that a Range field asks for (RFC 9110, section 14)."""

import re
from typing import NamedTuple

# Section 14.2 lets a server ignore a Range that looks like an attack or a mistake.  We do so, and
# answer with the whole file, beyond these limits: the work a request can cause stays bounded.
MAX_PARTS = 50
MAX_FIELD_LENGTH = 4000  # characters
# 500 digits are beyond every file, and still below the length where int() may refuse to read them.
_RANGE_SPEC = re.compile(r"(?=.*\d)(\d{0,500})-(\d{0,500})", re.ASCII)


class Slice(NamedTuple):
    """The bytes of a file from `start` up to, and without, `stop`."""

    start: int
    stop: int


def requested_slices(field: str, size: int) -> list[Slice] | None:
    """The slices that a Range field asks for of a file of `size` bytes.

    None: the field is to be ignored (malformed, another unit, too many or too long ranges).
    An empty list: nothing of what is asked for exists, a 416.  Otherwise the slices are not
    empty, lie within the file, neither overlap nor touch, and stand in the order of the request.

    An empty file has no bytes a 206 could name.  A range from its start asks for all there is
    and is answered as a whole file: clients that put `bytes=0-` on every request would otherwise
    never get one.
    """
    unit, _, range_set = field.partition("=")
    if len(field) > MAX_FIELD_LENGTH or unit.strip(" \t").lower() != "bytes":
        return None
    # Empty list elements are to be skipped: RFC 9110, section 5.6.1.2.
    specs = [spec for element in range_set.split(",") if (spec := element.strip(" \t"))]
    if not 0 < len(specs) <= MAX_PARTS:
        return None
    try:
        slices = [_resolve(spec, size) for spec in specs]
    except ValueError:
        return None
    if size == 0 and any(piece.start == 0 for piece in slices):
        return None
    satisfiable = [piece for piece in slices if piece.start < piece.stop]
    if sum(stop - start for start, stop in satisfiable) > size:
        return None
    return satisfiable if len(satisfiable) < 2 else _coalesced(satisfiable)


def _resolve(spec: str, size: int) -> Slice:
    """One range-spec, clipped to the file; start >= stop where nothing of it exists.  Raises ValueError."""
    match = _RANGE_SPEC.fullmatch(spec)
    if match is None:
        raise ValueError(spec)
    first, last = match.groups()
    if not first:
        return Slice(max(0, size - int(last)), size)
    if not last:
        return Slice(int(first), size)
    if int(last) < int(first):
        raise ValueError(spec)
    return Slice(int(first), min(int(last) + 1, size))


def _coalesced(slices: list[Slice]) -> list[Slice]:
    """The same bytes in slices that neither overlap nor touch, each where its first part was asked for."""
    merged: list[tuple[int, Slice]] = []
    for position, piece in sorted(enumerate(slices), key=lambda item: item[1]):
        if merged and piece.start <= merged[-1][1].stop:
            earlier, before = merged[-1]
            merged[-1] = (min(earlier, position), Slice(before.start, max(before.stop, piece.stop)))
        else:
            merged.append((position, piece))
    return [piece for _, piece in sorted(merged)]
