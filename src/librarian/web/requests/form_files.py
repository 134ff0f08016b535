"""Files in forms are kept in the byte store's folder for the time being, not in the system's temporary one.

webob has the class of its parser fixed, so it is replaced there, by one that does as before outside of
spooling().
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from io import TextIOWrapper
from typing import Any, BinaryIO

import webob.request
from webob.compat import cgi_FieldStorage
from zope.component import queryUtility

from librarian.store.interfaces import IByteStore

_ours: ContextVar[bool] = ContextVar("ours", default=False)


def spool() -> BinaryIO:
    """A new file without a name.  Raises StoreFull and StoreUnavailable."""
    store = queryUtility(IByteStore)
    if store is None:
        raise LookupError("there is no byte store to keep a body in")
    file: BinaryIO = store.spool()
    return file


@contextmanager
def spooling() -> Iterator[None]:
    """Within the `with`, parts of forms are spooled to the byte store's folder."""
    token = _ours.set(True)
    try:
        yield
    finally:
        _ours.reset(token)


class FormParser(cgi_FieldStorage):
    """A parser of forms that asks the byte store where to put files."""

    def make_file(self) -> Any:
        if not _ours.get():
            return super().make_file()
        file = spool()
        if self._binary_file or self.length >= 0:
            return file
        return TextIOWrapper(file, encoding=self.encoding, newline="\n")


webob.request.cgi_FieldStorage = FormParser
