"""Samples: the published files that a mirror is asked for, to compare their presence and their bytes.

The newest always, since those are what most people fetch and what is most often half there; and some by
chance, each published file as likely as any other, whatever its date, its size and its part.
"""

import math
import random
from bisect import bisect_right
from collections.abc import Sequence
from datetime import datetime
from itertools import accumulate

from librarian.mirrors.model.publications import Publication, Publications
from librarian.mirrors.probing.plan import ContentKey, Sample

Part = tuple[ContentKey, Publications]

_TRIES = 20  # draws for each file that is wanted: some are of files that an earlier part has counted


def samples_of(
    parts: Sequence[Part], now: datetime, count: int, most_bytes: int, chance: random.Random
) -> tuple[Sample, ...]:
    """The `count` newest files of `parts` and as many by chance, no file twice.

    Of a file with more than `most_bytes`, or without a known digest, only presence and size are compared.
    """
    files = [*newest(parts, now, count, chance), *drawn(parts, count, chance)]
    paths = dict.fromkeys(file.path for file in files)
    return tuple(_sample(path, parts, most_bytes) for path in paths)


def _sample(path: str, parts: Sequence[Part], most_bytes: int) -> Sample:
    """The sample of a file, which may be in several parts."""
    homes = [(key, file) for key, part in parts if (file := part.get(path)) is not None]
    known = max((file for _, file in homes), key=lambda file: bool(file.sha256))
    return Sample(
        path,
        known.size,
        known.sha256,
        tuple((key, file.date) for key, file in homes),
        fetched=bool(known.sha256) and known.size <= most_bytes,
    )


def newest(parts: Sequence[Part], now: datetime, count: int, chance: random.Random) -> list[Publication]:
    """The `count` newest files, drawn by chance among those of one date."""
    found = [file for _, part in parts for file in part.newest_files(now, count)]
    chance.shuffle(found)
    unique = {file.path: file for file in found}
    return sorted(unique.values(), key=lambda file: file.date, reverse=True)[:count]


def drawn(parts: Sequence[Part], count: int, chance: random.Random) -> list[Publication]:
    """Up to `count` different files, each as likely as any other."""
    ends = list(accumulate(part.file_count for _, part in parts))
    files = ends[-1] if ends else 0
    found: list[Publication] = []
    for number in chance.sample(range(files), min(files, _TRIES * count)):
        if len(found) == count:
            break
        which = bisect_right(ends, number)
        file = parts[which][1].numbered(number - (ends[which - 1] if which else 0))
        # A package for all architectures is in a part of each; counted in the first, it counts once.
        if not any(part.get(file.path) for _, part in parts[:which]):
            found.append(file)
    return found


def probes_until_caught(wrong_share: float, samples: int, certainty: float) -> int:
    """After how many probes with `samples` files by chance a mirror is caught, with this certainty, of whose
    files `wrong_share` are wrong (0 to 1)."""
    return math.ceil(math.log(1 - certainty) / (samples * math.log(1 - wrong_share)))
