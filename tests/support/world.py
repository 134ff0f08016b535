"""The world of documents and functional tests: that of librarian.testing, with an outbox for mail."""

from importlib.resources import files
from io import BytesIO
from typing import Any

import transaction
from zope.component import getUtility

from librarian.security.interaction import acting_as
from librarian.testing import world
from librarian.testing.clock import BEGINNING, HandMovedClock
from librarian.testing.world import FreshStore, FreshTree, fresh_store, overlay
from tests.support.outbox import outbox
from tests.support.servers.in_process import http

__all__ = [
    "BEGINNING",
    "SETTINGS",
    "FreshStore",
    "FreshTree",
    "HandMovedClock",
    "World",
    "fresh_store",
    "overlay",
]

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


class World(world.World):
    def __init__(self) -> None:
        super().__init__(SETTINGS)

    def begin(self) -> None:
        outbox.renew()
        super().begin()

    def globs(self) -> dict[str, Any]:
        """The names a document may use without importing them."""
        return {
            "BytesIO": BytesIO,
            "acting_as": acting_as,
            "clock": self.clock,
            "getUtility": getUtility,
            "http": http,
            "outbox": outbox,
            "overlay": overlay,
            "transaction": transaction,
        }
