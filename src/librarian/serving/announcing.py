"""Lines of a starting server on standard output: once the first password, then its URLs."""

import sys
from collections.abc import Mapping

from zope.component import getUtility

from librarian.interfaces import ISettings
from librarian.people.credentials.service import create_first_admin
from librarian.people.service import add_missing_celebrities
from librarian.security.interaction import acting_as
from librarian.security.principals import SYSTEM
from librarian.store.settings import StoreSettings
from librarian.tree.interfaces import ITree
from librarian.tree.opening import data_file
from librarian.tree.settings import TreeSettings


def is_new_library(settings: ISettings) -> bool:
    """Whether a library in files is about to be made."""
    tree = settings.section(TreeSettings)
    is_file = tree.make_database and tree.database_uri.startswith("file://")
    return is_file and not data_file(tree.database_uri).exists()


def tell_new_library(settings: ISettings) -> None:
    """On standard error, where a library in files is about to be made."""
    path = data_file(settings.section(TreeSettings).database_uri).absolute()
    place = settings.section(StoreSettings).byte_store
    print(f"new library: tree {path}, bytes {place}", file=sys.stderr, flush=True)


def tell_first_admin() -> None:
    """In a new installation: the password of the person ``admin``, which is told here only."""
    with acting_as(SYSTEM):
        getUtility(ITree).run(add_missing_celebrities)
        password = getUtility(ITree).run(create_first_admin)
    if password is not None:
        print(f"{'admin password':<18} {password}")


def tell_endpoints(urls: Mapping[str, str]) -> None:
    """One line for each endpoint, its name and its URL; then that all is ready."""
    for name, url in urls.items():
        print(f"{name:<18} {url}")
    print("ready")
    sys.stdout.flush()
