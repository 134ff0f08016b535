"""Database engines outside of this process: a ZEO server, or PostgreSQL behind RelStorage.

A driver waits for its server as long as the connection stands.  A server whose process is stopped, or
whose machine has lost its power, does not close its connections, so such a wait would have no end, and each
request would hold a thread of the server.  Therefore one thread of this process, the *watch*
(`watch.Watch`), asks the engine for a sign of life several times a second, on a connection that nothing else
uses, and waits for the answer for a bounded time only (the setting ``librarian.database_patience``).

When no answer comes, the watch calls `Engine.break_off`, which ends the connections on which requests wait,
so that they fail at once; until the next answer each new session is refused with TreeAway (503 for HTTP
clients).  When the engine answers again, the watch calls `Engine.renew`, and requests are served as before.
Nothing is restarted.

A tree in a file has no engine: no question leaves the process.
"""

from typing import Protocol


class NoAnswer(Exception):
    """The engine did not answer within the time that was allowed."""


class Engine(Protocol):
    """An engine that can be away while this process goes on."""

    @property
    def lost(self) -> tuple[type[BaseException], ...]:
        """The errors that its driver raises when the engine is away."""

    def limit_connecting(self, seconds: float) -> None:
        """Set the connect timeout of new connections, in seconds."""

    def ask(self, seconds: float) -> None:
        """Return when the engine has answered.  Raises NoAnswer after `seconds`, or any of `lost`."""

    def break_off(self) -> None:
        """End all waiting for the engine in this process: one of `lost` is raised instead."""

    def renew(self) -> None:
        """The engine answers again: drop the connections from before."""

    def is_gone(self) -> bool:
        """Whether it is known without asking that there is no connection at present."""
