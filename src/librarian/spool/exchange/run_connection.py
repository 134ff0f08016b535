"""The connection of one run, made anew when it breaks."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from librarian.spool.exchange.retries import Tries
from librarian.spool.ftp.session import Session
from librarian.spool.interfaces import ExchangeError, Locked, Sleep
from librarian.spool.settings import Target

log = logging.getLogger(__name__)


class Connection:
    """Opens sessions with a target, one after the other; `session` is the newest, once there was one."""

    session: Session

    def __init__(self, target: Target, sleep: Sleep) -> None:
        self._target = target
        self._sleep = sleep

    @contextmanager
    def opened(self) -> Iterator[None]:
        """A session in the target's directory.

        Errors are logged in the words of the protocol, and raised; the run logs the traceback.
        """
        try:
            self._log_in()
        except Exception:
            log.error("Could not connect to CDS FTP server.")
            raise
        try:
            with self._quitting():
                self.session.enter()
                yield
        except Locked:
            raise
        except Exception:
            log.error("Error accessing FTP server.")
            raise
        log.info("Disconnected from CDS FTP server")

    def renew(self) -> None:
        """Drop the session and open another one, in the target's directory.  Raises ExchangeError."""
        self.session.close()
        self.session = self._fresh_session().log_in()
        self.session.enter()

    @contextmanager
    def _quitting(self) -> Iterator[None]:
        """End the newest session in every way out, also when SIGTERM has raised SystemExit."""
        try:
            yield
        finally:
            self.session.quit()

    def _log_in(self) -> None:
        target = self._target
        log.info(
            "Connecting to CDS FTP server (host %s, port %s, user %s)", target.host, target.port, target.user
        )
        tries = Tries(target.connect_tries, target, self._sleep)
        self.session = Session(target)
        while True:
            try:
                self.session.log_in()
            except ExchangeError as error:
                tries.pause_after(error, "the connection")
                self.session = self._fresh_session()
            else:
                return

    def _fresh_session(self) -> Session:
        return Session(self._target, epsv=self.session.epsv)
