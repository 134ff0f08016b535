"""Lines of a starting server on standard output: once the first password, then its URLs."""

import sys
from collections.abc import Mapping

from zope.component import getUtility

from librarian.people.credentials.service import create_first_admin
from librarian.people.service import add_missing_celebrities
from librarian.security.interaction import acting_as
from librarian.security.principals import SYSTEM
from librarian.tree.interfaces import ITree


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
