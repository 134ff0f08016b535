"""A layer for each installation on which the black-box tests run once more."""

from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from typing import Any

from tests.support.layers import Server
from tests.support.servers.installations import installed, on_postgres, on_s3, on_zeo, with_workers
from tests.support.servers.parts import Parts
from tests.support.servers.postgresql import postgresql_missing
from tests.support.servers.swift import swift_missing


class Installation:
    """A layer of zope.testrunner: servers of one installation, and like `Server` one for all its tests."""

    def __init__(
        self,
        name: str,
        parts: Callable[[], AbstractContextManager[Parts]],
        missing: Callable[[], str | None] = lambda: None,
    ) -> None:
        """`name` is its name in this module; `missing` says why it cannot be had here, or None."""
        self.__name__ = name
        self.__module__ = __name__
        self.__bases__ = ()
        self.missing = missing
        self._parts = parts
        self._running = ExitStack()

    def setUp(self) -> None:
        with ExitStack() as running:
            running.enter_context(installed(running.enter_context(self._parts())))
            Server.setUp()
            running.callback(Server.tearDown)
            self._running = running.pop_all()

    def tearDown(self) -> None:
        self._running.close()

    def globs(self) -> dict[str, Any]:
        return Server.globs()


TwoWorkers = Installation("TwoWorkers", with_workers)
TwoOnZeo = Installation("TwoOnZeo", on_zeo)
TwoOnS3 = Installation("TwoOnS3", on_s3, lambda: postgresql_missing() or swift_missing())
TwoOnPostgres = Installation("TwoOnPostgres", on_postgres, postgresql_missing)
