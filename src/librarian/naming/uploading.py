"""Files that come in pieces and get a path of the named tree when they are whole."""

from typing import Any

from zope.component import getUtility
from zope.interface import implementer
from zope.security.proxy import removeSecurityProxy

from librarian.library.filenames import check_filename
from librarian.library.operations import Library
from librarian.library.service import BoundAlias
from librarian.library.uploads.interfaces import ITargetUploads
from librarian.library.uploads.model import Target
from librarian.naming.interfaces import (
    AlreadyThere,
    INamedEntry,
    INamedFolder,
    INamedTree,
    NoSuchFolder,
    TooDeep,
)
from librarian.naming.model import MAX_DEPTH
from librarian.naming.service import split_path
from librarian.naming.views.description import describe_version, url_of
from librarian.naming.writing import check_change, existing, keeps_restricted, nearest_folder


@implementer(ITargetUploads)
class TargetUploads:
    """See ITargetUploads; the permissions are those of the folders on the way."""

    def check(self, target: Target) -> bool:
        self._check_names(target)
        there = check_change(target.path, target.conditions)
        if INamedFolder.providedBy(there):
            raise AlreadyThere(target.path)
        nearest = nearest_folder(target.path)
        self._check_way(target, nearest)
        restricted: bool = keeps_restricted(nearest, there)
        return restricted

    def _check_way(self, target: Target, nearest: Any) -> None:
        """Raise NoSuchFolder where a folder is missing that is not to be made, or an entry has its name."""
        missing = split_path(target.path)[len(split_path(removeSecurityProxy(nearest).path)) :]
        if len(missing) > 1 and not (target.parents and nearest.get(missing[0]) is None):
            raise NoSuchFolder(self._folder_path(target))

    @staticmethod
    def _check_names(target: Target) -> None:
        """Raise InvalidFilename and TooDeep."""
        names = split_path(target.path)
        for name in (*names, target.filename):  # the last is empty where the path ends in a slash
            check_filename(name)
        if len(names) > MAX_DEPTH:
            raise TooDeep(target.path, MAX_DEPTH)

    @staticmethod
    def _folder_path(target: Target) -> str:
        return target.path.rpartition("/")[0]

    def name(self, target: Target, alias: Any) -> None:
        folder = getUtility(INamedTree).folder(self._folder_path(target), target.parents)
        folder.put(target.filename, BoundAlias(alias, Library()))

    def describe(self, target: Target, alias: Any) -> dict[str, Any]:
        there = removeSecurityProxy(existing(target.path))
        versions = there.versions if INamedEntry.providedBy(there) else ()
        number = next((version.number for version in versions if version.alias_id == alias.id), None)
        restricted = alias.restricted if number is None else there.restricted
        return describe_version(target.path, number, BoundAlias(alias, Library()), restricted)

    def location(self, target: Target) -> str:
        return url_of(target.path)


target_uploads = TargetUploads()
