"""Work in a new thread, without the caller's transaction, connection and principal."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


def elsewhere(work: Callable[[], T]) -> T:
    """What `work` returns or raises in a new thread."""
    with ThreadPoolExecutor(1) as executor:
        return executor.submit(work).result()
