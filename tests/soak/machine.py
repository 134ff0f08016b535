"""Whether the machine itself stands still: one that swaps, or whose disk hangs, lets no server answer."""

import os
import threading
import time
from pathlib import Path

from tests.soak.watch import Span, Watch

EVERY = 1.0  # seconds
PAUSE = 5.0  # seconds that 4 KiB may take to be written and synced


def probe(
    watch: Watch, folder: Path, ended: threading.Event, every: float = EVERY, pause: float = PAUSE
) -> None:
    """Note, until `ended`, when it stood still: this thread, which does nothing else, or the disk."""
    file = folder / "probe"
    while not ended.is_set():
        begun, moment = time.monotonic(), watch.now()
        ended.wait(every)
        descriptor = os.open(file, os.O_CREAT | os.O_WRONLY, 0o600)
        try:
            os.write(descriptor, bytes(4096))
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        if time.monotonic() > begun + every + pause:
            watch.stood_still(Span(moment, watch.now(), "the machine stood still"))
