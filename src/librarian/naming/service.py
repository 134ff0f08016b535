"""The named tree as components use it: folders and entries bound to the library, and the utility."""

from itertools import islice
from typing import Any

from zope.component import getUtility
from zope.interface import implementer
from zope.security.proxy import removeSecurityProxy

from librarian.binding import Bound, stored
from librarian.interfaces import ISettings
from librarian.library.filenames import check_filename
from librarian.library.operations import Library, acting_owner
from librarian.library.service import BoundAlias
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
from librarian.naming.model import Entry, Folder, NamingSubtree, Node
from librarian.naming.settings import NamingSettings
from librarian.security.audit import record_at_commit
from librarian.security.checkers import guarded
from librarian.security.interaction import current_interaction, current_principal


class NamingServices:
    """The services of bound folders and entries: the library, the settings, and the subtree."""

    def __init__(self) -> None:
        self.library = Library()
        self._settings = getUtility(ISettings)

    @property
    def subtree(self) -> NamingSubtree:
        """The subtree of naming in this thread's tree.  Valid until its session ends."""
        subtree: NamingSubtree = self.library.tree.subtree("naming")
        return subtree

    @property
    def keep_versions(self) -> int:
        """The number of old versions of an entry that are kept."""
        return self._settings.section(NamingSettings).keep_versions

    def bind(self, node: Node) -> "BoundFolder | BoundEntry":
        """The folder or entry with these services around it."""
        return BoundFolder(node, self) if isinstance(node, Folder) else BoundEntry(node, self)

    def new_uid(self) -> int:
        """A random number below 2**63 that no entry has."""
        while True:
            uid = self.library.random_below(2**63)
            if uid not in self.subtree.entries:
                return uid


class BoundNode(Bound):
    """The base class of bound folders and entries."""

    __slots__ = ()

    def __repr__(self) -> str:
        # Error messages show this, also to clients without permission; a restricted path is a secret.
        kind = type(stored(self)).__name__
        return f"<{kind} {'(restricted)' if self.restricted else self.path}>"


@implementer(INamedEntry)
class BoundEntry(BoundNode):
    """An entry bound to the library, which has the files of its versions."""

    __slots__ = ()

    @property
    def restricted(self) -> bool:
        return self.alias().restricted or self.parent.restricted

    @property
    def etag(self) -> str | None:
        content = self.alias().content
        return None if content is None else f'"{content.sha256}"'

    def alias(self, version: int | None = None) -> BoundAlias:
        library = self._services.library
        return BoundAlias(library.alias(self.find_version(version).alias_id), library)

    def put(self, alias: BoundAlias) -> None:
        """Make another file the current version; for BoundFolder.put()."""
        services = self._services
        now, keep = services.library.clock.now(), services.keep_versions
        services.subtree.put(stored(self), stored(alias), now, acting_owner(), keep)


@implementer(INamedFolder)
class BoundFolder(BoundNode):
    """A folder bound to the library; its children come out bound."""

    __slots__ = ()

    def __getitem__(self, name: str) -> Any:
        found = self.get(name)
        if found is None:
            raise NotThere(self.child_path(name))
        return found

    def get(self, name: str, default: Any = None) -> Any:
        node = self.children.get(name)
        found = None if node is None else self._services.bind(node)
        return found if found is not None and _is_visible(found) else default

    def listing(self, start: str = "", limit: int | None = None) -> list[Any]:
        bound = (self._services.bind(node) for node in self.children.values(min=start))
        return list(islice(filter(_is_visible, bound), limit))

    def put(self, name: str, alias: Any) -> BoundEntry:
        check_filename(name)
        alias.filename  # noqa: B018  # through its security proxy: only a visible file can be put anywhere
        alias = removeSecurityProxy(alias)
        if self.restricted and not alias.restricted:
            raise NotRestricted(self.child_path(name))
        entry = BoundEntry(self._entry(name), self._services)
        entry.put(alias)
        record_at_commit("file named", path=entry.path, version=entry.version, alias=alias.id)
        return entry

    def _entry(self, name: str) -> Entry:
        """The entry of this name, made if there is none.  Raises AlreadyThere for a folder."""
        found = self.children.get(name)
        if isinstance(found, Folder):
            raise AlreadyThere(self.child_path(name))
        if found is not None:
            existing: Entry = found
            return existing
        services = self._services
        entry = Entry(name, stored(self), services.library.clock.now(), services.new_uid())
        services.subtree.insert(entry)
        return entry

    def make_current(self, name: str, version: int) -> BoundEntry:
        entry = self[name]
        if not isinstance(entry, BoundEntry):
            raise NoSuchVersion(entry.path, version)
        if entry.find_version(version).number == entry.version:
            return entry
        alias = entry.alias(version)
        if alias.filename != name:  # the entry had another name then; downloads have the one of today
            library = self._services.library
            alias = BoundAlias(library.add_copy(stored(alias), name), library)
        return self.put(name, alias)

    def make_folder(self, name: str, restricted: bool = False, owner: Any = None) -> "BoundFolder":
        check_filename(name)
        owner = stored(removeSecurityProxy(owner)) or current_principal().person
        now = self._services.library.clock.now()
        folder = Folder(name, stored(self), now, owner, restricted or self.restricted)
        self._services.subtree.insert(folder)
        record_at_commit("folder made", path=folder.path, restricted=folder.restricted)
        return BoundFolder(folder, self._services)

    def remove(self, name: str, recursive: bool = False) -> None:
        found = self[name]
        path = found.path
        self._services.subtree.remove(stored(found), recursive)
        record_at_commit("name removed", path=path)

    def child_to_move(self, name: str) -> Any:
        """self[name], for principals who may change this folder; for NamedTree.move()."""
        return self[name]

    def move_here(self, node: Any, name: str) -> Any:
        """Give a bound folder or entry a name in this folder; for NamedTree.move()."""
        check_filename(name)
        if self.restricted and not node.restricted:
            raise NotRestricted(node.path)
        services, before, old_name = self._services, node.path, node.name
        services.subtree.move(stored(node), stored(self), name)
        if name != old_name and isinstance(stored(node), Entry) and not node.alias().deleted:
            copy = services.library.add_copy(stored(node.alias()), name)
            services.subtree.replace_alias(stored(node), copy)
        record_at_commit("name changed", path=node.path, before=before)
        return node


def _is_visible(node: Any) -> bool:
    """Whether the acting principal may know that a node exists.

    Where the answer is no, listings leave it out and its path is not found.  A principal who may change
    a folder sees everything in it; where no interaction is running (a command), all is visible.
    """
    interaction = current_interaction()
    return not node.restricted or interaction is None or interaction.checkPermission("librarian.View", node)


def split_path(path: str) -> list[str]:
    """The names in a path; slashes at its ends, and repeated ones, are ignored."""
    return [name for name in path.split("/") if name]


@implementer(INamedTree)
class NamedTree:
    """The whole tree.  Each folder on the way comes security-proxied, so its permissions apply."""

    def __init__(self) -> None:
        self._services = NamingServices()

    @property
    def root(self) -> Any:
        return guarded(BoundFolder(self._services.subtree.root, self._services))

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
        folder, name = self._folder_and_name(path)
        return folder.put(name, alias)

    def make_folder(self, path: str, restricted: bool = False, owner: Any = None) -> Any:
        folder, name = self._folder_and_name(path)
        return folder.make_folder(name, restricted, owner)

    def remove(self, path: str, recursive: bool = False) -> None:
        folder, name = self._folder_and_name(path)
        folder.remove(name, recursive)

    def move(self, path: str, target: str) -> Any:
        source, name = self._folder_and_name(path)
        folder, new_name = self._folder_and_name(target)
        return folder.move_here(removeSecurityProxy(source.child_to_move(name)), new_name)

    def _folder_and_name(self, path: str) -> tuple[Any, str]:
        """The folder that `path` lies in, and the last name of `path`.  Raises CannotMove for the root."""
        names = split_path(path)
        if not names:
            raise CannotMove(path)
        return self.folder("/".join(names[:-1])), names[-1]
