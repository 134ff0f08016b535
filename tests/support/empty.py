"""A process in which nothing is registered, as that of an application before it includes the library."""

import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import transaction
from zope.component import getGlobalSiteManager
from zope.security.checker import _checkers
from zope.security.management import getSecurityPolicy, setSecurityPolicy

from librarian.tree.interfaces import ITree


@contextmanager
def empty_registry() -> Iterator[None]:
    """An empty global registry without checkers of classes, for the length of a `with`."""
    registry = getGlobalSiteManager()
    registered, checkers, policy = dict(vars(registry)), dict(_checkers), getSecurityPolicy()
    type(registry).__init__(registry, "base")
    try:
        yield
    finally:
        setSecurityPolicy(policy)
        _checkers.clear()
        _checkers.update(checkers)
        vars(registry).update(registered)


@contextmanager
def host_folder() -> Iterator[Path]:
    """A folder for a host's library, whose tree is closed before it is removed."""
    folder = Path(tempfile.mkdtemp(prefix="librarian-host-"))
    try:
        yield folder
    finally:
        transaction.abort()
        tree = getGlobalSiteManager().queryUtility(ITree)
        if tree is not None:
            tree.close()
        forget_modules(folder)
        shutil.rmtree(folder, ignore_errors=True)


def forget_modules(folder: Path) -> None:
    """Make Python forget the modules that were imported from `folder`, and the folder."""
    for name, module in list(sys.modules.items()):
        if str(getattr(module, "__file__", None) or "").startswith(f"{folder}/"):
            del sys.modules[name]
    sys.path[:] = [path for path in sys.path if path != str(folder)]
