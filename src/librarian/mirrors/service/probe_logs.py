"""Logs of probes: restricted files of the library."""

from typing import Any, BinaryIO

from zope.component import getUtility
from zope.interface import implementer

from librarian.library.interfaces import ILibraryFileAliasSet
from librarian.mirrors.interfaces import IProbeLogs
from librarian.mirrors.service.subtree import PROBER, mirrors_subtree
from librarian.security.interaction import acting_as
from librarian.security.principals import SYSTEM, script_principal
from librarian.tree.interfaces import ITree

_HELD_FOR = "log of a probe"


@implementer(IProbeLogs)
class LibraryProbeLogs:
    """Files of the library, each held for as long as its record is there."""

    def keep(self, filename: str, log_file: BinaryIO) -> int:
        size = log_file.seek(0, 2)
        log_file.seek(0)
        # The permission to note a probe does not include the permission to upload.
        with acting_as(script_principal(PROBER)):
            alias = getUtility(ILibraryFileAliasSet).create(
                filename, size, log_file, "text/plain", restricted=True, allow_zero_length=True
            )
            number: int = alias.id
        mirrors_subtree().holds.hold(getUtility(ITree).subtree("library").alias(number), _HELD_FOR)
        return number

    def get(self, alias_id: int) -> Any:
        return getUtility(ILibraryFileAliasSet)[alias_id]

    def read(self, alias_id: int) -> bytes:
        with acting_as(SYSTEM):
            found: bytes = self.get(alias_id).read()
        return found

    def release(self, alias_id: int) -> None:
        mirrors_subtree().holds.release(alias_id, _HELD_FOR)
