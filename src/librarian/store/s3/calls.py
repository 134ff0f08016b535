"""Calls of a store: repeated where that helps, given up soon, and with the byte store's errors.

Only NoSuchKey says that bytes are missing.  NoSuchBucket is also what a store answers that cannot ask its own
database of buckets; it, 403, 5xx and every failure on the way are StoreUnavailable.
"""

import logging
import random
from collections.abc import Callable, Iterator
from errno import EDQUOT, EHOSTDOWN
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError, ConnectTimeoutError, ReadTimeoutError
from urllib3.exceptions import HTTPError
from urllib3.exceptions import ReadTimeoutError as SilentAnswer
from zope.interface import implementer

from librarian.log_filters import Rarely
from librarian.store.interfaces import StoreFull, StoreTrouble, StoreUnavailable
from librarian.store.s3.breaker import Breaker
from librarian.store.s3.interfaces import ICallObserver, NoSuchKey

log = logging.getLogger(__name__)
log.addFilter(Rarely(beginning="object store call"))

ATTEMPTS = 4
PATIENCE_SECONDS = 4.0  # what began this long ago is not tried again
FIRST_PAUSE_SECONDS = 0.1
PIECE_BYTES = 1 << 18
SETTLING_SECONDS = 3.0  # until the rate of an answer is judged

MISSING = {"NoSuchKey", "404", "NoSuchUpload", "NotFound"}
FULL = {"QuotaExceeded", "InsufficientStorage", "XMinioStorageFull", "EntityTooLarge"}
FAILURES = (BotoCoreError, ClientError, HTTPError, OSError)
TIMEOUTS = (ReadTimeoutError, ConnectTimeoutError, SilentAnswer)


@implementer(ICallObserver)
class Unobserved:
    """Takes no notice."""

    def called(self, operation: str, outcome: str) -> None:
        """Of an answer."""

    def retried(self, operation: str) -> None:
        """Of another try."""

    def transferred(self, sent: int, received: int) -> None:
        """Of bytes."""

    def opened(self, is_open: bool) -> None:
        """Of the breaker."""


class Calls:
    """The calls of one store.  `sleep` and `monotonic` take and give seconds."""

    def __init__(
        self,
        client: Any,
        patient: Any,
        bucket: str,
        slowest: int,
        monotonic: Callable[[], float],
        sleep: Callable[[float], None],
    ) -> None:
        self._client = client
        self._patient = patient
        self._bucket = bucket
        self._slowest = slowest
        self._monotonic = monotonic
        self._sleep = sleep
        self.observer: Any = Unobserved()
        self.breaker = Breaker(monotonic, self._breaker_changed)

    def do(self, operation: str, **parameters: Any) -> Any:
        """The answer to a call such as ``put_object``.  A body must be seekable: it is sent from its start.

        Raises NoSuchKey, StoreFull, StoreUnavailable.
        """
        return self._repeat(operation, getattr(self._client, operation), parameters)

    def do_patiently(self, operation: str, **parameters: Any) -> Any:
        """As do(), for a call that a store may take minutes to answer."""
        return self._repeat(operation, getattr(self._patient, operation), parameters)

    def _repeat(self, operation: str, method: Callable[..., Any], parameters: dict[str, Any]) -> Any:
        body: Any = parameters.get("Body")
        size = parameters.get("ContentLength", len(body) if isinstance(body, bytes) else 0)
        began = self._monotonic()
        for attempt in range(1, ATTEMPTS + 1):
            self._require(operation)
            if hasattr(body, "seek"):
                body.seek(0)
            try:
                answer = method(Bucket=self._bucket, **parameters)
            except FAILURES as error:
                self._judge(operation, error, last=attempt == ATTEMPTS or self._is_late(began))
                self._pause(operation, attempt)
            else:
                self.breaker.succeeded()
                self.observer.called(operation, "ok")
                self.observer.transferred(size, 0)
                return answer
        raise AssertionError("the last attempt has raised an error or returned")

    def read(self, key: str, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        """The bytes of an object from `start` up to `stop` (None: the end), in pieces.

        An answer that breaks off is asked for again from there, and must be of the same object.  Raises
        NoSuchKey, StoreUnavailable.
        """
        position, failures, etag = start, 0, ""
        while True:
            answer = self._get(key, position, stop, etag)
            if answer is None:
                return
            etag, failed = answer["ETag"], None
            body = answer["Body"]
            try:
                for piece in self._pieces(body):
                    position, failures = position + len(piece), 0
                    self.observer.transferred(0, len(piece))
                    yield piece
            except (*FAILURES, TimeoutError) as error:
                failed = error
            finally:
                body.close()
            if failed is None:
                return
            failures += 1
            too_slow = isinstance(failed, TimeoutError)  # and would be so again
            self._judge("get_object", failed, last=too_slow or failures == ATTEMPTS)
            self._pause("get_object", failures)

    def presigned(self, key: str, parameters: dict[str, str], seconds: int) -> str:
        """A URL that gives the object to each client that has it, for `seconds`; `parameters` as get_object
        takes them."""
        wanted = {"Bucket": self._bucket, "Key": key, **parameters}
        url: str = self._client.generate_presigned_url("get_object", Params=wanted, ExpiresIn=seconds)
        return url

    def _get(self, key: str, start: int, stop: int | None, etag: str) -> Any:
        """None where there is nothing from `start` on."""
        if stop is not None and stop <= start:
            return None
        limits: dict[str, str] = {"IfMatch": etag} if etag else {}
        if start or stop is not None:
            limits["Range"] = f"bytes={start}-{'' if stop is None else stop - 1}"
        try:
            return self.do("get_object", Key=key, **limits)
        except StoreUnavailable as unavailable:
            if code_of(unavailable.__cause__) == "InvalidRange":  # RFC 9110, section 15.5.17: nothing there
                self.breaker.succeeded()
                return None
            raise

    def _pieces(self, body: Any) -> Iterator[bytes]:
        """What an answer gives.  Raises TimeoutError where it is slower than the slowest that is borne."""
        waited, size = 0.0, 0
        while True:
            began = self._monotonic()
            piece: bytes = body.read(PIECE_BYTES)
            waited, size = waited + self._monotonic() - began, size + len(piece)
            if not piece:
                return
            yield piece
            if waited > SETTLING_SECONDS and size < waited * self._slowest:
                raise TimeoutError(f"{size} bytes in {waited:.0f} s")

    def _breaker_changed(self, is_open: bool) -> None:
        self.observer.opened(is_open)

    def _require(self, operation: str) -> None:
        if not self.breaker.admits():
            raise StoreUnavailable(EHOSTDOWN, f"the byte store is unavailable: {operation} was not tried")

    def _is_late(self, began: float) -> bool:
        return self._monotonic() - began > PATIENCE_SECONDS

    def _pause(self, operation: str, attempt: int) -> None:
        self.observer.retried(operation)
        self._sleep(random.uniform(0.5, 1) * FIRST_PAUSE_SECONDS * 2**attempt)  # noqa: S311  # no secret

    def _judge(self, operation: str, error: BaseException, *, last: bool) -> None:
        """Raise what a failed call means, unless it is worth another try."""
        code, outcome = code_of(error), outcome_of(error)
        self.observer.called(operation, outcome)
        if code in MISSING:
            self.breaker.succeeded()
            raise NoSuchKey from error
        if code in FULL:
            self.breaker.succeeded()
            raise StoreFull(EDQUOT, "the byte store has no room: the object store refuses more") from error
        if last or is_final(error):
            self.breaker.failed(f"{operation}: {outcome}")
            raise trouble(operation, error) from error


def code_of(error: BaseException | None) -> str:
    """The store's word for what went wrong; empty where it did not answer."""
    return str(error.response.get("Error", {}).get("Code", "")) if isinstance(error, ClientError) else ""


def outcome_of(error: BaseException) -> str:
    """What became of a request that failed, as ICallObserver has it."""
    if isinstance(error, TimeoutError):
        return "slow"
    if isinstance(error, TIMEOUTS):
        return "timeout"
    if not isinstance(error, ClientError):
        return "connection"
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if status >= 500:
        return str(status)
    return "missing" if code_of(error) in MISSING else "full" if code_of(error) in FULL else "refused"


def is_final(error: BaseException) -> bool:
    """Whether the store has refused, so that asking again would be answered alike."""
    if not isinstance(error, ClientError):
        return False
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return 400 <= status < 500 and status not in (408, 429) and code_of(error) not in _TRANSIENT


_TRANSIENT = {"BadDigest", "XAmzContentSHA256Mismatch", "RequestTimeout", "SlowDown", "IncompleteBody"}


def trouble(operation: str, error: BaseException) -> StoreTrouble:
    """The byte store's error; what the store said goes to the log alone, and holds no secret."""
    reason = code_of(error) or type(error).__name__
    log.error("object store call failed operation=%s reason=%s", operation, reason)
    return StoreUnavailable(EHOSTDOWN, f"the byte store is unavailable: {reason}")
