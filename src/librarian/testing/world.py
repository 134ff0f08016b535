"""A library in memory, in the process of the tests, and how it is set back between them."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import datetime, timedelta
from typing import Any

from ZODB.DB import DB
from ZODB.DemoStorage import DemoStorage
from zope.component import getGlobalSiteManager, getUtility

from librarian.app import make_app
from librarian.interfaces import IClock, ISettings
from librarian.library.catalogue.indexing import Indexer
from librarian.library.opening import open_library
from librarian.people.credentials.authentication import Authenticator
from librarian.people.credentials.interfaces import IAuthenticator
from librarian.store.interfaces import IByteStore
from librarian.store.memory import MemoryStore
from librarian.testing import application
from librarian.testing.clock import BEGINNING
from librarian.tree.interfaces import ITree
from librarian.tree.service import Tree


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
        self._kept.close()
        self._database.close()
        self._database = DB(DemoStorage())
        self.bring_up_to_date()


class FreshStore(MemoryStore):
    """A store that can be emptied."""

    def renew(self) -> None:
        """Forget all bytes."""
        MemoryStore.__init__(self, getUtility(IClock))


def fresh_store() -> FreshStore:
    """An empty store that reads the time from the site's clock; the factory in the ZCML of `testing`."""
    return FreshStore(getUtility(IClock))


class World:
    """The application made of `settings`, one in a process, and the parts of it that a test may touch.

    `settings` are flat ``librarian.`` keys, with ``librarian.site`` the path of a ZCML file that includes
    ``librarian.testing``.  Raises SettingsError.
    """

    def __init__(self, settings: Mapping[str, str]) -> None:
        # No thread of its own: tests take files into the lists by World.index().
        self.app = make_app({"librarian.index_every": "0", **settings})
        application.connect(self.app)
        self.request = application.request
        self.clock: Any = getUtility(IClock)
        self.tree: Any = getUtility(ITree)
        self.store: Any = getUtility(IByteStore)
        self._opened: ExitStack | None = None

    def begin(self) -> None:
        """Set everything back, and open the tree in this thread, permitted everything."""
        self.clock.set(BEGINNING)
        self.store.renew()
        self.tree.renew()
        # A new one has not counted the failed log-ins of the test before.
        getGlobalSiteManager().registerUtility(Authenticator(), IAuthenticator)
        self._opened = ExitStack()
        self._opened.enter_context(open_library())

    def index(self) -> int:
        """Take all that was committed into the lists, as a server does every second; how many files."""
        return Indexer().run()

    def end(self) -> None:
        """Close the tree; to be called after every begin()."""
        if self._opened is not None:
            self._opened.close()
            self._opened = None


@contextmanager
def overlay(text: str) -> Iterator[None]:
    """Lay ini `text` over the settings for the length of a `with`."""
    settings = getUtility(ISettings)
    settings.push("overlay", text)
    try:
        yield
    finally:
        settings.pop("overlay")
