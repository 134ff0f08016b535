"""The number of workers, and whether the tree and the bytes can be shared among them."""

import os
from typing import Any

from zope.component import getUtility

from librarian.interfaces import ISettings, SettingsError
from librarian.store.interfaces import IByteStore
from librarian.tree.settings import TreeSettings

WORKERS = "workers"  # the option in [server:main]
AUTO = "auto"  # as many as this process has cores
MOST = 64


def number_of_workers(value: Any) -> int:
    """The number that the option ``workers`` means.  Raises SettingsError."""
    text = str(value).strip().lower()
    if text == AUTO:
        return min(len(os.sched_getaffinity(0)), MOST)
    if not (text.isascii() and text.isdigit()) or not 1 <= int(text) <= MOST:
        why = f"{value!r} is neither a number from 1 to {MOST} nor {AUTO}"
        raise SettingsError(f"[server:main] {WORKERS}", why)
    return int(text)


def check_sharing(workers: int) -> None:
    """Raises SettingsError where several workers would need a tree or bytes that are not shared."""
    if workers == 1:
        return
    if not getUtility(IByteStore).is_shared:
        why = "must be 1, as the byte store of this site is in the memory of one process"
        raise SettingsError(f"[server:main] {WORKERS}", why)
    settings = getUtility(ISettings).section(TreeSettings)
    if settings.database_uri.startswith("file://") and not settings.share_database:
        why = "must be on for workers to share a database in a file"
        raise SettingsError(settings.key("share_database"), why)
