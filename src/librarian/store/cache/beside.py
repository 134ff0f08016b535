"""Work beside the readers, in a thread that lasts as long as there is some."""

import logging
import threading
from collections import deque
from collections.abc import Callable

from librarian.store.interfaces import StoreTrouble

log = logging.getLogger(__name__)


class Beside:
    """Does one thing after the other; what is waiting already is not done twice."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: deque[tuple[str, Callable[[], object]]] = deque()
        self._thread: threading.Thread | None = None

    def start(self, name: str, work: Callable[[], object]) -> None:
        """Have `work` done soon; its errors go to the log."""
        with self._lock:
            if any(name == other for other, _work in self._waiting):
                return
            self._waiting.append((name, work))
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="librarian-cache", daemon=True)
                self._thread.start()

    def finish(self) -> None:
        """Wait until all that was started is done."""
        thread = self._thread
        if thread is not None:
            thread.join()

    def _run(self) -> None:
        while (work := self._next()) is not None:
            try:
                work()
            except (
                StoreTrouble
            ) as error:  # no room, no descriptors, no store: foreseen, and tried again later
                log.error("cache work failed error=%s", error)
            except Exception:  # what comes after it is due nevertheless
                log.exception("cache work failed")

    def _next(self) -> Callable[[], object] | None:
        with self._lock:
            if self._waiting:
                return self._waiting.popleft()[1]
            self._thread = None
            return None
