"""The store that ``librarian.byte_store = s3://...`` names; the modules here need boto3."""

import time
from collections.abc import Sequence
from pathlib import Path

from zope.component import getUtility
from zope.interface import implementer

from librarian.interfaces import IClock
from librarian.store.cache.interfaces import IByteCache
from librarian.store.cache.service import configured_cache
from librarian.store.s3.address import S3Address
from librarian.store.s3.calls import Calls
from librarian.store.s3.client import make_client
from librarian.store.s3.interfaces import IGenerations
from librarian.store.s3.keeping import KeptObjects
from librarian.store.s3.keys import Keys
from librarian.store.s3.sending import Sender
from librarian.store.s3.store import S3Store


def make_store(
    address: S3Address,
    clock: IClock,
    generations: IGenerations,
    *,
    keep_free: int = 0,
    cache: IByteCache | None = None,
) -> S3Store:
    """The store at an address; nothing is asked of it yet."""
    calls = _calls(address)
    sender = Sender(calls, address.part_size, address.parallel)
    return S3Store(
        calls,
        Keys(address.prefix),
        sender,
        Path(address.folder),
        clock,
        generations,
        keep_free=keep_free,
        cache=cache,
    )


def _calls(address: S3Address) -> Calls:
    clients = make_client(address), make_client(address, patient=True)
    return Calls(*clients, address.bucket, address.slowest, time.monotonic, time.sleep)


def kept_at(address: S3Address) -> KeptObjects:
    """What is held at an address, for one who has no tree yet; nothing is asked of it yet."""
    return KeptObjects(_calls(address), Keys(address.prefix))


@implementer(IGenerations)
class RegisteredGenerations:
    """The registered IGenerations, which is looked up when it is asked: it is registered after the store."""

    def current(self, sha256s: Sequence[str]) -> list[int]:
        found: list[int] = getUtility(IGenerations).current(sha256s)
        return found

    def for_upload(self, sha256: str) -> tuple[int, bool]:
        found: tuple[int, bool] = getUtility(IGenerations).for_upload(sha256)
        return found

    def retire(self, sha256: str) -> int | None:
        found: int | None = getUtility(IGenerations).retire(sha256)
        return found

    def condemn(self, sha256: str, generation: int) -> bool:
        done: bool = getUtility(IGenerations).condemn(sha256, generation)
        return done


def store_at(address: S3Address, keep_free: int) -> S3Store:
    """The store at an address, with the utilities of the site."""
    clock, cache = getUtility(IClock), configured_cache()
    return make_store(address, clock, RegisteredGenerations(), keep_free=keep_free, cache=cache)
