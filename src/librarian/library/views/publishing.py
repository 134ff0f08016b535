"""Aliases and their files for a zope publisher (zope.publisher 8)."""

from collections.abc import Iterator
from typing import Any

from zope.interface import implementer
from zope.publisher.interfaces.http import IResult
from zope.security.proxy import removeSecurityProxy

from librarian.library.views.alias import MixedFileAliasView, file_alias_view

BLOCK_SIZE = 256 * 1024  # bytes


def published_alias(alias: Any, request: Any) -> MixedFileAliasView:
    """The IBrowserPublisher of an alias that traversal has come to.  Raises Unauthorized.

    Unlike a component that holds a file and answers for it, nobody has looked who may see this one.
    """
    alias.filename  # noqa: B018  # what the permission to view an alias guards
    return file_alias_view(alias, request)


@implementer(IResult)
class PublishedFile:
    """An open file as a response's body: its blocks, and then it is closed.

    A server holds it beyond the publication, in any thread.  Proxies of the interaction that is over by
    then are taken off.
    """

    def __init__(self, file: Any, request: Any) -> None:
        self._file = removeSecurityProxy(file)

    def __iter__(self) -> Iterator[bytes]:
        with self._file:
            while block := self._file.read(BLOCK_SIZE):
                yield block

    def close(self) -> None:
        """For a server whose client has left (PEP 3333)."""
        self._file.close()
