"""The subtree ``naming``: folders and entries, and the rules that keep them one tree.

Each operation that adds to a folder reads the folder in such a way that the transaction fails if another
one writes that folder; each operation that removes a folder or an entry writes it.  So nothing is added to
a folder that is being removed, and two concurrent moves cannot make a cycle.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Any, NamedTuple

from BTrees.LOBTree import LOBTree
from BTrees.OOBTree import OOBTree
from persistent import Persistent

from librarian.library.model.files import FileHolds, LibraryFileAlias
from librarian.naming.interfaces import AlreadyThere, CannotMove, FolderNotEmpty, NoSuchVersion, TooDeep
from librarian.tree.subtree import Subtree, store_new_class_names

MAX_DEPTH = 50  # names in a path


class Version(NamedTuple):
    """One of the files that an entry leads to, or led to."""

    number: int
    alias_id: int
    date: datetime  # aware, in UTC
    author: str | None  # the id of the principal who put it


class Node(Persistent):
    """A folder or an entry."""

    def __init__(self, name: str, parent: "Folder | None", date_created: datetime | None) -> None:
        self.name = name
        self.parent = parent
        self.date_created = date_created

    def __repr__(self) -> str:
        # No name: error messages show this, also to clients that may not know of a restricted path.
        return f"<{type(self).__name__} at depth {sum(1 for _node in self.chain()) - 1}>"

    def chain(self) -> Iterator["Node"]:
        """This node, the folder it is in, and so on up to the root."""
        node: Node | None = self
        while node is not None:
            yield node
            node = node.parent

    @property
    def path(self) -> str:
        """The path from the root: `/` and the names, with a slash between them."""
        names = [node.name for node in self.chain()]
        return "/".join(reversed(names)) or "/"

    def owners(self) -> list[Any]:
        """The owners of this folder and of the folders above it."""
        folders = [node for node in self.chain() if isinstance(node, Folder)]
        return [folder.owner for folder in folders if folder.owner is not None]


class Folder(Node):
    """A folder; `children` are its folders and entries by name."""

    def __init__(
        self,
        name: str,
        parent: "Folder | None",
        date_created: datetime | None,
        owner: Any = None,
        restricted: bool = False,
    ) -> None:
        super().__init__(name, parent, date_created)
        self.owner = owner
        self.restricted = restricted
        self.children = OOBTree()  # name -> Folder or Entry

    def child_path(self, name: str) -> str:
        """The path of `name` in this folder, whether or not it exists."""
        return f"{self.path.rstrip('/')}/{name}"


class Entry(Node):
    """A file under a name.

    `versions` are the files it leads to and led to, the current one last.  `uid` distinguishes its holds
    from those of other entries; it stays the same when the entry moves.
    """

    def __init__(self, name: str, parent: Folder, date_created: datetime, uid: int) -> None:
        super().__init__(name, parent, date_created)
        self.uid = uid
        self.versions: tuple[Version, ...] = ()

    @property
    def version(self) -> int:
        """The number of the current version."""
        return self.versions[-1].number

    @property
    def alias_id(self) -> int:
        """The id of the current file's alias."""
        return self.versions[-1].alias_id

    def find_version(self, number: int | None) -> Version:
        """The version of this number, or the current one.  Raises NoSuchVersion."""
        for version in self.versions if number is not None else self.versions[-1:]:
            if number in (None, version.number):
                return version
        raise NoSuchVersion(self.path, number or 0)

    def hold_reason(self, version: Version) -> str:
        """The reason under which the file of a version is held."""
        return f"{self.uid}:{version.number}"


class NamingSubtree(Persistent):
    """The named tree, and the files that its entries hold."""

    def __init__(self) -> None:
        self.root = Folder("", None, None)
        self.entries = LOBTree()  # uid -> Entry
        self.holds = FileHolds()

    def put(
        self, entry: Entry, record: LibraryFileAlias, now: datetime, author: str | None, keep_versions: int
    ) -> None:
        """Make a file the current version, and release old versions beyond the newest `keep_versions`."""
        number = entry.versions[-1].number + 1 if entry.versions else 1
        version = Version(number, record.id, now, author)
        self.holds.hold(record, entry.hold_reason(version))
        kept = (*entry.versions, version)
        for old in kept[: -1 - keep_versions]:
            self.holds.release(old.alias_id, entry.hold_reason(old))
        entry.versions = kept[-1 - keep_versions :]

    def replace_alias(self, entry: Entry, record: LibraryFileAlias) -> None:
        """Let the current version be another alias of the same content."""
        current = entry.versions[-1]
        self.holds.hold(record, entry.hold_reason(current))
        self.holds.release(current.alias_id, entry.hold_reason(current))
        entry.versions = (*entry.versions[:-1], current._replace(alias_id=record.id))

    def insert(self, node: Node) -> None:
        """Add a new or moved node to its folder.  Raises AlreadyThere, TooDeep."""
        folder = node.parent
        assert folder is not None
        above = list(folder.chain())
        if len(above) - 1 + _height(node) > MAX_DEPTH:
            raise TooDeep(node.path, MAX_DEPTH)
        for each in above:
            _conflict_with_writers(each)
        if node.name in folder.children:
            raise AlreadyThere(node.path)
        folder.children[node.name] = node
        if isinstance(node, Entry):
            self.entries[node.uid] = node

    def remove(self, node: Node, recursive: bool) -> None:
        """Remove a node and everything below it.  Raises CannotMove, FolderNotEmpty."""
        if node.parent is None:
            raise CannotMove(node.path)
        if isinstance(node, Folder) and node.children and not recursive:
            raise FolderNotEmpty(node.path)
        del node.parent.children[node.name]
        for each in _with_descendants(node):
            each._p_changed = True
            if isinstance(each, Folder):
                _conflict_with_additions(each.children)
            elif isinstance(each, Entry):
                self._release(each)

    def _release(self, entry: Entry) -> None:
        del self.entries[entry.uid]
        for version in entry.versions:
            self.holds.release(version.alias_id, entry.hold_reason(version))

    def move(self, node: Node, target: Folder, name: str) -> None:
        """Give a node another folder and name.

        Raises AlreadyThere, CannotMove and TooDeep; the tree is then unchanged.
        """
        if node.parent is None or node in target.chain():
            raise CannotMove(node.path)
        before = (node.parent, node.name)
        node.parent, node.name = target, name
        try:
            self.insert(node)
        except (AlreadyThere, TooDeep):
            node.parent, node.name = before
            raise
        del before[0].children[before[1]]


def _conflict_with_writers(node: Node) -> None:
    """Fail this transaction if a concurrent one writes `node`.

    It is a read and not a write, so any number of transactions can do it at the same time.
    """
    if node._p_jar is not None:
        node._p_jar.readCurrent(node)


def _conflict_with_additions(children: OOBTree) -> None:
    """Fail this transaction if a concurrent one adds to the folder that has these children.

    An addition reads the folder and writes its BTree only, and ZODB would merge that write with a removal
    that commits later.  A BTree with one bucket keeps the bucket in its own record.
    """
    bucket = children._firstbucket
    for part in (children, *_buckets(bucket)):
        if part._p_jar is not None:
            part._p_activate()
            part._p_jar.readCurrent(part)


def _buckets(bucket: Any) -> Iterator[Any]:
    while bucket is not None:
        yield bucket
        bucket = bucket._next


def _with_descendants(node: Node) -> Iterator[Node]:
    waiting = [node]
    while waiting:
        each = waiting.pop()
        yield each
        if isinstance(each, Folder):
            waiting.extend(each.children.values())


def _height(node: Node) -> int:
    """The number of names in the longest path below `node`, that of `node` included."""
    height, level = 0, [node]
    while level:
        height += 1
        level = [child for each in level if isinstance(each, Folder) for child in each.children.values()]
    return height


FORMER_NAMES = {"librarian.naming.model.NamingBranch": NamingSubtree}

subtree = Subtree("naming", NamingSubtree, (store_new_class_names,), FORMER_NAMES)
