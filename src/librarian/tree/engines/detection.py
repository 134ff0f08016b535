"""The engine behind a ZODB storage."""

from typing import Any

from ZEO.ClientStorage import ClientStorage

from librarian.tree.engines.interfaces import Engine
from librarian.tree.engines.postgresql import PostgresEngine
from librarian.tree.engines.zeo import ZeoEngine


def engine_of(storage: Any) -> Engine | None:
    """The engine behind a ZODB storage; None where no question leaves this process.

    To be called before the first connection is opened, and as often as one likes.
    """
    if isinstance(storage, ClientStorage):
        return ZeoEngine(storage)
    adapter = getattr(storage, "_adapter", None)
    driver: Any = None if adapter is None else adapter.connmanager.driver
    if getattr(driver, "__name__", "") != "psycopg2":
        return None
    known = getattr(driver.connect, "__self__", None)
    return known if isinstance(known, PostgresEngine) else PostgresEngine(adapter)
