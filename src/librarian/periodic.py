"""Work that a server repeats beside its requests."""

import threading


class PeriodicTask(threading.Thread):
    """Calls once(), which subclasses have, at intervals; a call that was missed is not made up for."""

    def __init__(self, name: str, interval_seconds: float) -> None:
        super().__init__(name=name, daemon=True)
        self._interval_seconds = interval_seconds
        self._stopped = threading.Event()

    def run(self) -> None:
        while not self._stopped.wait(self._interval_seconds):
            self.once()

    def stop(self) -> None:
        """End after the call that is under way."""
        self._stopped.set()

    def once(self) -> None:
        """Do the work once.  Must not raise: that would end the thread without a line in the log."""
        raise NotImplementedError
