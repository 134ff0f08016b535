"""The watch asks periodically, beside the requests, whether the database answers, so that none waits for it.

A request that begins while the database is away is refused at once.  One that waits when it goes away fails
within the patience of the watch.  When the database answers again, requests are served; nothing is restarted.
"""

import logging
import threading
import time

from librarian.tree.engines.interfaces import Engine
from librarian.tree.interfaces import TreeAway

log = logging.getLogger(__name__)

PAUSE_SECONDS = 0.2  # seconds between two checks of the database
REMINDER_SECONDS = 60.0  # seconds between two log lines while it is away

# Drivers log each failed attempt and connection, and transaction each commit whose outcome is not known (the
# client is told by 503); the watch logs the outage once instead.
NOISY = ("ZEO.asyncio", "ZEO.ClientStorage", "relstorage", "txn")


class Watch(threading.Thread):
    """Asks one engine, which may be silent for `patience_seconds` before it is taken for away."""

    def __init__(self, engine: Engine, patience_seconds: float) -> None:
        super().__init__(name="database watch", daemon=True)
        self._engine = engine
        self._patience_seconds = patience_seconds
        self._wake = threading.Event()
        self._ended = False
        self._away_since: float | None = None  # monotonic
        self._reminded = 0.0
        self._told: dict[type, float] = {}  # kind of a refusal -> monotonic time of the last line about it
        self._refused: BaseException | None = None  # what a request met since the last question
        engine.limit_connecting(patience_seconds)  # here, as no request is under way yet

    def run(self) -> None:
        """Ask the engine every PAUSE_SECONDS until stop(); for a thread."""
        while not self._ended:
            self._turn()
            self._wake.wait(PAUSE_SECONDS)
            self._wake.clear()

    def stop(self) -> None:
        """End run() after the question it is asking."""
        self._ended = True
        self._wake.set()

    @property
    def is_away(self) -> bool:
        """Whether the database is known to be away."""
        return self._away_since is not None or self._engine.is_gone()

    def require(self) -> None:
        """Raises TreeAway if the database is known to be away."""
        if self.is_away:
            raise TreeAway

    def is_loss(self, error: BaseException) -> bool:
        """Whether `error` says that the database has gone away; then it is looked at anew at once."""
        if not isinstance(error, self._engine.lost):
            return False
        self._refused = error
        self._wake.set()
        return True

    def _turn(self) -> None:
        try:
            self._engine.ask(self._patience_seconds)
        except Exception as error:  # noqa: BLE001  # the thread must outlive whatever a driver raises
            self._note_away(error)
        else:
            self._note_back()
        self._refused = None

    def _note_away(self, error: Exception) -> None:
        now = time.monotonic()
        if self._away_since is None:
            # Set before break_off() wakes waiting threads, so that their next request is refused at once.
            self._away_since = self._reminded = now
            log.error("database away error=%s", _line(error))
        elif now - self._reminded >= REMINDER_SECONDS:
            self._reminded = now
            log.error("database still away seconds=%d error=%s", now - self._away_since, _line(error))
        self._engine.break_off()

    def _note_back(self) -> None:
        if self._away_since is not None:
            self._engine.renew()
            log.warning("database back seconds=%.1f", time.monotonic() - self._away_since)
            self._away_since = None
        elif self._refused is not None:
            self._note_refused(self._refused)

    def _note_refused(self, error: BaseException) -> None:
        """Log what requests fail of while the database answers: a full disk, a lock, a standby server."""
        now = time.monotonic()
        if now - self._told.get(type(error), -REMINDER_SECONDS) >= REMINDER_SECONDS:
            self._told[type(error)] = now
            log.error("database refuses error=%s", _line(error))


def hush_drivers(lost: tuple[type[BaseException], ...]) -> None:
    """Leave the log to the watch; `lost` are the errors that say that the engine has gone away."""
    for name in NOISY:
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)

    def is_news(record: logging.LogRecord) -> bool:
        return not (record.exc_info and isinstance(record.exc_info[1], lost))

    # ZODB logs a traceback of each failed load; during an outage these are left out, damage is still logged.
    logging.getLogger("ZODB.Connection").addFilter(is_news)


def _line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
