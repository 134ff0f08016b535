"""The world that documents and functional tests live in, and how it is set back between them."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from io import BytesIO
from typing import Any

import transaction
from ZODB.DB import DB
from ZODB.DemoStorage import DemoStorage
from zope.component import getGlobalSiteManager, getUtility
from zope.interface import implementer

from librarian.app import make_app
from librarian.interfaces import IClock, ISettings
from librarian.library.opening import open_library
from librarian.people.credentials.authentication import Authenticator
from librarian.people.credentials.interfaces import IAuthenticator
from librarian.security.interaction import acting_as
from librarian.store.interfaces import IByteStore
from librarian.store.memory import MemoryStore
from librarian.tree.interfaces import ITree
from librarian.tree.service import Tree
from tests.support.outbox import outbox
from tests.support.servers import in_process as http

BEGINNING = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)  # a Sunday at noon, when every document begins

SETTINGS = {
    "librarian.site": str(files("tests.support") / "site.zcml"),
    "librarian.endpoint.app.listen": "localhost:6543",
    "librarian.endpoint.public.listen": "localhost:8000",
    "librarian.endpoint.upload.listen": "localhost:9090",
    "librarian.endpoint.restricted.listen": "localhost:8005",
    "librarian.endpoint.restricted-upload.listen": "localhost:9095",
    "librarian.endpoint.tracker.listen": "localhost:9999",
    "librarian.endpoint.ops.listen": "localhost:9191",
    "librarian.download_url": "http://localhost:8000/",
    "librarian.upload_url": "http://localhost:9090/",
    "librarian.restricted_download_url": "http://localhost:8005/",
    "librarian.restricted_upload_url": "http://localhost:9095/",
}


@implementer(IClock)
class HandMovedClock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self._now = BEGINNING
        self._monotonic = 0.0

    def now(self) -> datetime:
        return self._now

    def monotonic(self) -> float:
        return self._monotonic

    def move(self, **duration: float) -> None:
        """Let time pass, as timedelta() takes it: ``clock.move(days=7, hours=1)``; back is a step."""
        span = timedelta(**duration)
        self._now += span
        self._monotonic += max(span.total_seconds(), 0)

    def step(self, **duration: float) -> None:
        """Set the wall clock on or back, in no time."""
        self._now += timedelta(**duration)

    def set(self, moment: datetime) -> None:
        self._now = moment


class FreshTree(Tree):
    """A tree in memory that can be thrown away."""

    def __init__(self) -> None:
        super().__init__(DB(DemoStorage()))
        self.skew = timedelta(0)

    def host_time(self) -> datetime:
        """The clock that is moved by hand is the host's as well, until a test says otherwise."""
        return getUtility(IClock).now() + self.skew

    def renew(self) -> None:
        """Begin again with an empty tree, up to date."""
        self.skew = timedelta(0)
        self._database.close()
        self._database = DB(DemoStorage())
        self.bring_up_to_date()


class FreshStore(MemoryStore):
    """A store that can be emptied."""

    def renew(self) -> None:
        MemoryStore.__init__(self, getUtility(IClock))


def fresh_store() -> FreshStore:
    return FreshStore(getUtility(IClock))


class World:
    """The application under test, and the parts of it that a document may touch."""

    def __init__(self) -> None:
        self.app = make_app(SETTINGS)
        http.connect(self.app)
        self.clock: Any = getUtility(IClock)
        self.tree: Any = getUtility(ITree)
        self.store: Any = getUtility(IByteStore)
        self._opened: ExitStack | None = None

    def begin(self) -> None:
        """Set everything back, and open the tree in this thread, permitted everything."""
        self.clock.set(BEGINNING)
        self.store.renew()
        outbox.renew()
        self.tree.renew()
        # A new one has not counted the failed log-ins of the test before.
        getGlobalSiteManager().registerUtility(Authenticator(), IAuthenticator)
        self._opened = ExitStack()
        self._opened.enter_context(open_library())

    def end(self) -> None:
        if self._opened is not None:
            self._opened.close()
            self._opened = None

    def globs(self) -> dict[str, Any]:
        """The names a document may use without importing them."""
        return {
            "BytesIO": BytesIO,
            "acting_as": acting_as,
            "clock": self.clock,
            "getUtility": getUtility,
            "http": http.http,
            "outbox": outbox,
            "overlay": overlay,
            "transaction": transaction,
        }


@contextmanager
def overlay(text: str) -> Iterator[None]:
    """Lay ini `text` over the settings for the length of a `with`."""
    settings = getUtility(ISettings)
    settings.push("overlay", text)
    try:
        yield
    finally:
        settings.pop("overlay")
