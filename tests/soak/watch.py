"""What operations took, how they failed, and when the server was disturbed on purpose."""

import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

#: Anything that a client's library may raise where no answer came.
OUTAGES = (
    "ConnectionError",
    "HTTPError",
    "OSError",
    "TusCommunicationError",
    "TusUploadFailed",
    "RemoteUnavailable",
    "WebDriverException",
)


class Wrong(Exception):
    """Other bytes, another version or another listing than was acknowledged."""


class Unexpected(Exception):
    """An answer that this request must not get."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(f"{status} {detail[:300]}")
        self.status = status


@dataclass(frozen=True)
class Span:
    """Something that lasted, in seconds since the start of the run."""

    begun: float
    ended: float
    what: str

    def meets(self, other: "Span") -> bool:
        """Whether some moment belongs to both."""
        return self.begun <= other.ended and other.begun <= self.ended


@dataclass(frozen=True)
class Trouble:
    """An operation that failed."""

    span: Span  # `what` is the kind of operation
    detail: str
    status: int = 0  # of the answer; 0: there was none, or the reason is not its status
    is_outage: bool = False  # no answer came, or 503
    is_wrong: bool = False


def is_excused(trouble: Trouble, disturbances: Iterable[Span]) -> bool:
    """Whether it is no answer, or 503, while the server was stopped or killed, or the machine stood still."""
    return trouble.is_outage and any(trouble.span.meets(each) for each in disturbances)


@dataclass
class Watch:
    """Collects, for many threads."""

    began: float = field(default_factory=time.monotonic)
    troubles: list[Trouble] = field(default_factory=list)
    disturbances: list[Span] = field(default_factory=list)
    pauses: list[Span] = field(default_factory=list)  # those of the disturbances that were the machine's own
    slow: list[Span] = field(default_factory=list)  # operations that took too long
    counts: Counter[str] = field(default_factory=Counter)  # operations by kind
    _times: dict[str, list[float]] = field(default_factory=dict)  # seconds, since take_times()
    _under_way: list[tuple[float, str]] = field(default_factory=list)  # disturbances
    _told: int = 0  # troubles
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def now(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self.began

    @contextmanager
    def operation(self, kind: str, patience: float) -> Iterator[None]:
        """One operation of a client; what it raises is noted and goes no further.

        One that takes longer than `patience`, in seconds, is noted as well.
        """
        begun = self.now()
        trouble: Exception | None = None
        try:
            yield
        except Exception as error:  # noqa: BLE001  # whatever it is, it is judged
            trouble = error
        span = Span(begun, self.now(), kind)
        with self._lock:
            self.counts[kind] += 1
            self._times.setdefault(kind, []).append(span.ended - span.begun)
            if span.ended - span.begun > patience:
                self.slow.append(span)
            if trouble is not None:
                self.troubles.append(described(span, trouble))

    def fail(self, span: Span, detail: str, is_outage: bool = False) -> None:
        """Note something that is no operation of a client."""
        with self._lock:
            self.troubles.append(Trouble(span, detail, is_outage=is_outage))

    @contextmanager
    def disturbed(self, what: str, afterwards: float = 0.0) -> Iterator[None]:
        """The server is harmed for the length of the `with`, and clients may see so for some seconds more."""
        mark = (self.now(), what)
        with self._lock:
            self._under_way.append(mark)
        try:
            yield
        finally:
            with self._lock:
                self._under_way.remove(mark)
                self.disturbances.append(Span(mark[0], self.now() + afterwards, what))

    def stood_still(self, span: Span) -> None:
        """The machine did nothing for so long."""
        with self._lock:
            self.disturbances.append(span)
            self.pauses.append(span)

    def new_faults(self) -> list[Trouble]:
        """The troubles since this was called before that no disturbance excuses, over or under way."""
        with self._lock:
            disturbances = [
                *self.disturbances,
                *(Span(begun, self.now(), what) for begun, what in self._under_way),
            ]
            new, self._told = self.troubles[self._told :], len(self.troubles)
        return [each for each in new if not is_excused(each, disturbances)]

    def take_times(self) -> dict[str, list[float]]:
        """Seconds of each operation since this was called before."""
        with self._lock:
            found, self._times = self._times, {}
            return found


def described(span: Span, error: Exception) -> Trouble:
    """What an operation's error comes to."""
    told = getattr(error, "status", 0)  # also of the errors of the tracker's client
    status = told if isinstance(told, int) else 0
    kinds = {kind.__name__ for kind in type(error).__mro__}
    is_wrong = isinstance(error, Wrong)
    is_outage = status == 503 or (not status and not is_wrong and bool(kinds & set(OUTAGES)))
    return Trouble(span, f"{type(error).__name__}: {error}"[:400], status, is_outage, is_wrong)
