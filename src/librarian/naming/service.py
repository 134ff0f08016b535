"""The named tree as components use it: folders and entries with their permissions around them."""

import logging
from dataclasses import dataclass
from itertools import islice
from typing import Any

from zope.component import getUtility
from zope.interface import implementer, provider
from zope.security.checker import ProxyFactory
from zope.security.management import checkPermission, queryInteraction
from zope.security.proxy import removeSecurityProxy

from librarian.library.aliases import LibraryFileAlias
from librarian.library.filenames import check_filename
from librarian.library.interfaces import IFileReferences
from librarian.library.references import HeldInSubtree
from librarian.library.service import Library, acting_owner
from librarian.naming.interfaces import (
    AlreadyThere,
    CannotMove,
    INamedEntry,
    INamedFolder,
    INamedTree,
    NoSuchFolder,
    NoSuchVersion,
    NotRestricted,
    NotThere,
)
from librarian.naming.model import Entry, Folder, NamingSubtree, Node, Version
from librarian.security.audit import at_commit
from librarian.security.interaction import current_principal
from librarian.settings import ISettings, ISettingsSection, Section
from librarian.tree.interfaces import ITree

log = logging.getLogger(__name__)

SUBTREE = "naming"


@provider(ISettingsSection)
@dataclass(frozen=True)
class NamingSettings(Section):
    """How the named tree behaves."""

    prefix = "naming"
    # By number and not by age: a file that changes once a year has a history like any other, and one
    # that a script replaces every minute does not fill the disk.
    keep_versions: int = 20  # old versions of an entry that are kept


class _Parts:
    """What folders and entries work with."""

    def __init__(self, library: Library) -> None:
        self.library = library
        self.settings = getUtility(ISettings)

    @property
    def subtree(self) -> NamingSubtree:
        subtree: NamingSubtree = self.library.tree.subtree(SUBTREE)
        return subtree

    def shown(self, node: Node) -> "NamedFolder | NamedEntry":
        return NamedFolder(self, node) if isinstance(node, Folder) else NamedEntry(self, node)


class _Named:
    """What folders and entries have in common."""

    def __init__(self, parts: _Parts, node: Any) -> None:
        self._parts = parts
        self.node = node

    def __repr__(self) -> str:
        # Errors show this to whoever lacks a permission; the path of what is restricted is a secret too.
        return f"<{type(self).__name__} {'(restricted)' if self.restricted else self.path}>"

    @property
    def restricted(self) -> bool:
        """Whether it is for some only."""
        raise NotImplementedError

    def __eq__(self, other: object) -> bool:
        return isinstance(removeSecurityProxy(other), _Named) and removeSecurityProxy(other).node is self.node

    def __hash__(self) -> int:
        return hash(self.path)

    @property
    def name(self) -> str:
        name: str = self.node.name
        return name

    @property
    def path(self) -> str:
        path: str = self.node.path
        return path

    @property
    def date_created(self) -> Any:
        return self.node.date_created

    def owners(self) -> list[Any]:
        """Everybody who owns this or a folder above it."""
        folders = [node for node in self.node.chain() if isinstance(node, Folder)]
        return [folder.owner for folder in folders if folder.owner is not None]


@implementer(INamedEntry)
class NamedEntry(_Named):
    """A file under a name."""

    @property
    def version(self) -> int:
        number: int = self.node.versions[-1].number
        return number

    @property
    def alias_id(self) -> int:
        alias_id: int = self.node.versions[-1].alias_id
        return alias_id

    @property
    def restricted(self) -> bool:
        return self.alias().restricted or self.node.parent.restricted

    @property
    def etag(self) -> str | None:
        content = self.alias().content
        return None if content is None else f'"{content.sha256}"'

    def alias(self, version: int | None = None) -> LibraryFileAlias:
        library = self._parts.library
        return LibraryFileAlias(library, library.record(self._version(version).alias_id))

    def _version(self, number: int | None) -> Version:
        versions: tuple[Version, ...] = self.node.versions
        for version in versions if number is not None else versions[-1:]:
            if number in (None, version.number):
                return version
        raise NoSuchVersion(self.path, number or 0)

    def versions(self) -> list[Version]:
        return list(self.node.versions)

    def put(self, alias: LibraryFileAlias) -> None:
        """Have another file be the current version; for NamedFolder.put."""
        keep = self._parts.settings.section(NamingSettings).keep_versions
        now = self._parts.library.clock.now()
        self._parts.subtree.put(self.node, alias.record, now, acting_owner(), keep)


@implementer(INamedFolder)
class NamedFolder(_Named):
    """A folder."""

    @property
    def restricted(self) -> bool:
        restricted: bool = self.node.restricted
        return restricted

    @property
    def owner(self) -> Any:
        return self.node.owner

    def __getitem__(self, name: str) -> Any:
        found = self.get(name)
        if found is None:
            raise NotThere(self._path_of(name))
        return found

    def get(self, name: str, default: Any = None) -> Any:
        node = self.node.children.get(name)
        found = None if node is None else self._parts.shown(node)
        return found if found is not None and _may_see(found) else default

    def listing(self, start: str = "", limit: int | None = None) -> list[Any]:
        shown = (self._parts.shown(node) for node in self.node.children.values(min=start))
        return list(islice(filter(_may_see, shown), limit))

    def put(self, name: str, alias: Any) -> NamedEntry:
        check_filename(name)
        alias.filename  # noqa: B018  # through a security proxy: only what one may see can be put anywhere
        alias = removeSecurityProxy(alias)
        if self.restricted and not alias.restricted:
            raise NotRestricted(self._path_of(name))
        node = self.node.children.get(name)
        if isinstance(node, Folder):
            raise AlreadyThere(self._path_of(name))
        subtree, library = self._parts.subtree, self._parts.library
        if node is None:
            uid = _new_uid(subtree, library)
            node = Entry(name, self.node, library.clock.now(), uid)
            subtree.insert(node)
        entry = NamedEntry(self._parts, node)
        entry.put(alias)
        at_commit("file named", path=entry.path, version=entry.version, alias=alias.id)
        return entry

    def make_folder(self, name: str, restricted: bool = False, owner: Any = None) -> "NamedFolder":
        check_filename(name)
        owner = removeSecurityProxy(owner) or current_principal().person
        now = self._parts.library.clock.now()
        node = Folder(name, self.node, now, owner, restricted or self.restricted)
        self._parts.subtree.insert(node)
        at_commit("folder made", path=node.path, restricted=node.restricted)
        return NamedFolder(self._parts, node)

    def remove(self, name: str, recursive: bool = False) -> None:
        found = self[name]
        path = found.path
        self._parts.subtree.remove(found.node, recursive)
        at_commit("name removed", path=path)

    def losing(self, name: str) -> "NamedFolder | NamedEntry":
        """What is called so, for somebody who may take it away; for NamedTree.move."""
        found: NamedFolder | NamedEntry = self[name]
        return found

    def accept(self, named: "NamedFolder | NamedEntry", name: str) -> Any:
        """Have a thing that is somewhere else be here; for NamedTree.move."""
        check_filename(name)
        if self.restricted and not named.restricted:
            raise NotRestricted(named.path)
        before, old_name = named.path, named.name
        self._parts.subtree.move(named.node, self.node, name)
        if name != old_name and isinstance(named, NamedEntry) and not named.alias().deleted:
            copy = self._parts.library.add_copy(named.alias().record, name)
            self._parts.subtree.replace_alias(named.node, copy)
        at_commit("name changed", path=named.path, before=before)
        return named

    def _path_of(self, name: str) -> str:
        return f"{self.path.rstrip('/')}/{name}"


def _may_see(named: "NamedFolder | NamedEntry") -> bool:
    """Whether whoever acts may know that this is there.  For all others it is not: no listing has it,
    and its path is not found.  Whoever may change a folder sees all that is in it."""
    if not named.restricted or queryInteraction() is None:
        return True
    return bool(checkPermission("librarian.View", named))


def _new_uid(subtree: NamingSubtree, library: Library) -> int:
    while True:
        uid = library.random_below(2**63)
        if uid not in subtree.entries:
            return uid


def split_path(path: str) -> list[str]:
    """The names in a path; slashes at its ends, and repeated ones, mean nothing."""
    return [name for name in path.split("/") if name]


@implementer(INamedTree)
class NamedTree:
    """The whole tree.  It goes through the folders as anybody would: their permissions count."""

    def __init__(self) -> None:
        self._parts = _Parts(Library())

    @property
    def root(self) -> Any:
        return ProxyFactory(NamedFolder(self._parts, self._parts.subtree.root))

    def __getitem__(self, path: str) -> Any:
        found = self.root
        for name in split_path(path):
            if not INamedFolder.providedBy(found):
                raise NotThere(path)
            found = found[name]
        return found

    def folder(self, path: str, make: bool = False) -> Any:
        found = self.root
        for name in split_path(path):
            inner = found.get(name)
            if inner is None and make:
                inner = found.make_folder(name)
            if not INamedFolder.providedBy(inner):
                raise NoSuchFolder(path)
            found = inner
        return found

    def put(self, path: str, alias: Any) -> Any:
        folder, name = self._place(path)
        return folder.put(name, alias)

    def make_folder(self, path: str, restricted: bool = False, owner: Any = None) -> Any:
        folder, name = self._place(path)
        return folder.make_folder(name, restricted, owner)

    def remove(self, path: str, recursive: bool = False) -> None:
        folder, name = self._place(path)
        folder.remove(name, recursive)

    def move(self, path: str, target: str) -> Any:
        source, name = self._place(path)
        folder, new_name = self._place(target)
        return folder.accept(removeSecurityProxy(source.losing(name)), new_name)

    def _place(self, path: str) -> tuple[Any, str]:
        """The folder that a thing at `path` is in, and its name there."""
        names = split_path(path)
        if not names:
            raise CannotMove(path)
        return self.folder("/".join(names[:-1])), names[-1]


@implementer(IFileReferences)
class HeldByEntries(HeldInSubtree):
    """The files that entries are or were."""

    def holders(self, alias_id: int) -> list[str]:
        subtree: NamingSubtree = getUtility(ITree).subtree(SUBTREE)
        found = []
        for reason in subtree.holds.reasons(alias_id):
            uid, _, number = reason.partition(":")
            found.append(f"named tree: {subtree.entries[int(uid)].path} version {number}")
        return found


references = HeldByEntries(SUBTREE)
