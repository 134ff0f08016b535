"""Aliases and their files for a zope publisher (zope.publisher 8)."""

from collections.abc import Iterator
from typing import Any

from zope.interface import implementer
from zope.publisher.interfaces.http import IResult
from zope.security.proxy import removeSecurityProxy

from librarian.library.views.alias import MixedFileAliasView, file_alias_view

BLOCK_SIZE = 256 * 1024  # bytes


def published_alias(alias: Any, request: Any) -> MixedFileAliasView:
    """The IBrowserPublisher of an alias at which traversal ends.  Raises Unauthorized.

    A component that holds a file has checked a permission of its own; here librarian.View is checked.
    """
    alias.filename  # noqa: B018  # guarded by librarian.View
    return file_alias_view(alias, request)


@implementer(IResult)
class PublishedFile:
    """An open file as the body of a response, in blocks; closed at its end.

    A server reads it after the publication, in any thread, so it has no security proxy, whose interaction
    is over by then.
    """

    def __init__(self, file: Any, request: Any) -> None:
        self._file = removeSecurityProxy(file)

    def __iter__(self) -> Iterator[bytes]:
        with self._file:
            while block := self._file.read(BLOCK_SIZE):
                yield block

    def close(self) -> None:
        """For a server whose client closed the connection (PEP 3333, close())."""
        self._file.close()
