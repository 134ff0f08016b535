"""The layers that tests and documents run in.

`Unit` has no input or output.  `Functional` has the whole application in this process, on a tree
and a byte store in memory.  `Host` has nothing yet, as another application.  `Server` has the real server as
a process of its own.  `Engines` has servers on every engine: one process on FileStorage, two on ZEO, two on
PostgreSQL.  `Swift` has an object store with an S3 interface.
"""

from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import transaction
from zope.component import getUtility

from tests.support import browser
from tests.support.documents.moving import MovingLibrary
from tests.support.empty import empty_registry, host_folder
from tests.support.servers.engines import Engine, everywhere, running_engines
from tests.support.servers.librarian import ServerProcess
from tests.support.servers.postgresql import PostgresServer, postgresql, postgresql_missing
from tests.support.servers.swift import SwiftServer, swift, swift_missing
from tests.support.world import World


class Unit:
    """Nothing is set up."""


class Functional:
    """A world in memory, set back before every test."""

    world: ClassVar[World]

    @classmethod
    def setUp(cls) -> None:
        cls.world = World()

    @classmethod
    def tearDown(cls) -> None:
        # What ZCML has registered globally stays, so the runner gives later layers a new process.
        raise NotImplementedError

    @classmethod
    def testSetUp(cls) -> None:
        cls.world.begin()

    @classmethod
    def testTearDown(cls) -> None:
        cls.world.end()

    @classmethod
    def globs(cls) -> dict[str, Any]:
        return cls.world.globs()


class Host:
    """A process in which nothing is registered, as that of another application; each test has a folder."""

    _test: ClassVar[ExitStack]
    _folder: ClassVar[Path]

    @classmethod
    def setUp(cls) -> None:
        """Nothing is shared."""

    @classmethod
    def testSetUp(cls) -> None:
        cls._test = ExitStack()
        cls._test.enter_context(empty_registry())
        cls._folder = cls._test.enter_context(host_folder())

    @classmethod
    def testTearDown(cls) -> None:
        cls._test.close()

    @classmethod
    def globs(cls) -> dict[str, Any]:
        return {"folder": cls._folder, "getUtility": getUtility, "transaction": transaction}


class Server:
    """One server for all tests of the layer, with the embedded engines, in a temporary folder."""

    server: ClassVar[ServerProcess]

    @classmethod
    def setUp(cls) -> None:
        cls.server = ServerProcess()
        cls.server.start()

    @classmethod
    def tearDown(cls) -> None:
        cls.server.stop()
        cls.server.remove()

    @classmethod
    def globs(cls) -> dict[str, Any]:
        return cls.server.globs()


class Chromium:
    """One browser for all tests of the layer; a layer above it brings the server it looks at."""

    browser: ClassVar[browser.Browser]

    @classmethod
    def missing(cls) -> str | None:
        return browser.missing()

    @classmethod
    def setUp(cls) -> None:
        Chromium.browser = browser.Browser()

    @classmethod
    def tearDown(cls) -> None:
        Chromium.browser.close()

    @classmethod
    def testSetUp(cls) -> None:
        Chromium.browser.forget()


class Engines:
    """The same library on each engine that trees can be kept in; servers of one engine share it."""

    engines: ClassVar[list[Engine]]
    _running: ClassVar[ExitStack]
    _postgres: ClassVar[PostgresServer]

    @classmethod
    def missing(cls) -> str | None:
        return postgresql_missing()

    @classmethod
    def setUp(cls) -> None:
        cls._running = ExitStack()
        cls._postgres = cls._running.enter_context(postgresql())
        cls.engines = cls._running.enter_context(running_engines(cls._postgres))

    @classmethod
    def tearDown(cls) -> None:
        cls._running.close()

    @classmethod
    def globs(cls) -> dict[str, Any]:
        return {
            "engines": cls.engines,
            "everywhere": partial(everywhere, engines=cls.engines),
            "moving_library": partial(MovingLibrary, cls._running, cls._postgres),
        }


class Swift:
    """One OpenStack Swift for all tests of the layer; each test mends what it breaks."""

    swift: ClassVar[SwiftServer]
    _running: ClassVar[ExitStack]

    @classmethod
    def missing(cls) -> str | None:
        return swift_missing()

    @classmethod
    def setUp(cls) -> None:
        cls._running = ExitStack()
        cls.swift = cls._running.enter_context(swift())

    @classmethod
    def tearDown(cls) -> None:
        cls._running.close()

    @classmethod
    def globs(cls) -> dict[str, Any]:
        return {"swift": cls.swift}
