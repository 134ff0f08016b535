"""The subtree ``naming``: folders and entries, and what keeps them one tree.

Everything that puts something into a folder reads the folder so that the transaction fails if the
folder is written by another, and everything that takes a folder or entry away writes it.  So nothing
gets into a folder that is being removed, and no two moves can make a ring.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Any, NamedTuple

from BTrees.LOBTree import LOBTree
from BTrees.OOBTree import OOBTree
from persistent import Persistent

from librarian.library.holds import FileHolds
from librarian.library.model import AliasRecord
from librarian.naming.interfaces import AlreadyThere, CannotMove, FolderNotEmpty, TooDeep
from librarian.tree.subtree import Subtree, store_new_class_name

DEEPEST = 50  # names in a path


class Version(NamedTuple):
    """One of the files that an entry has been."""

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

    def chain(self) -> Iterator["Node"]:
        """This, the folder it is in, and so on up to the root."""
        node: Node | None = self
        while node is not None:
            yield node
            node = node.parent

    @property
    def path(self) -> str:
        names = [node.name for node in self.chain()]
        return "/".join(reversed(names)) or "/"


class Folder(Node):
    """What is in it, by name."""

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


class Entry(Node):
    """The files it has been, the current one last; `uid` tells its holds from those of others."""

    def __init__(self, name: str, parent: Folder, date_created: datetime, uid: int) -> None:
        super().__init__(name, parent, date_created)
        self.uid = uid
        self.versions: tuple[Version, ...] = ()

    def reason(self, version: Version) -> str:
        return f"{self.uid}:{version.number}"


class NamingSubtree(Persistent):
    """The tree, which files it holds, and for which entries."""

    def __init__(self) -> None:
        self.root = Folder("", None, None)
        self.entries = LOBTree()  # uid -> Entry
        self.holds = FileHolds()

    def put(
        self, entry: Entry, record: AliasRecord, now: datetime, author: str | None, keep_versions: int
    ) -> None:
        """Make a file the current version, and let go of those beyond `keep_versions` old ones."""
        number = entry.versions[-1].number + 1 if entry.versions else 1
        version = Version(number, record.id, now, author)
        self.holds.hold(record, entry.reason(version))
        kept = (*entry.versions, version)
        for old in kept[: -1 - keep_versions]:
            self.holds.release(old.alias_id, entry.reason(old))
        entry.versions = kept[-1 - keep_versions :]

    def replace_alias(self, entry: Entry, record: AliasRecord) -> None:
        """Have the current version be another alias of the same file."""
        current = entry.versions[-1]
        self.holds.hold(record, entry.reason(current))
        self.holds.release(current.alias_id, entry.reason(current))
        entry.versions = (*entry.versions[:-1], current._replace(alias_id=record.id))

    def insert(self, node: Node) -> None:
        """Put a new or moved node into its folder.  Raises AlreadyThere, TooDeep."""
        folder = node.parent
        assert folder is not None
        above = list(folder.chain())
        if len(above) - 1 + _height(node) > DEEPEST:
            raise TooDeep(node.path, DEEPEST)
        for each in above:
            _must_stay(each)
        if node.name in folder.children:
            raise AlreadyThere(node.path)
        folder.children[node.name] = node
        if isinstance(node, Entry):
            self.entries[node.uid] = node

    def remove(self, node: Node, recursive: bool) -> None:
        """Take a node away with all that is in it.  Raises CannotMove, FolderNotEmpty."""
        if node.parent is None:
            raise CannotMove(node.path)
        if isinstance(node, Folder) and node.children and not recursive:
            raise FolderNotEmpty(node.path)
        del node.parent.children[node.name]
        for each in _everything_in(node):
            each._p_changed = True
            if isinstance(each, Folder):
                _nothing_may_come(each.children)
            if isinstance(each, Entry):
                del self.entries[each.uid]
                for version in each.versions:
                    self.holds.release(version.alias_id, each.reason(version))

    def move(self, node: Node, target: Folder, name: str) -> None:
        """Raises AlreadyThere, CannotMove, TooDeep; then nothing is changed."""
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


NamingBranch = NamingSubtree  # the name under which older databases have it


def _must_stay(node: Node) -> None:
    """Fail the transaction if another one writes `node` meanwhile; no write, so many can do this."""
    if node._p_jar is not None:
        node._p_jar.readCurrent(node)


def _nothing_may_come(children: OOBTree) -> None:
    """Fail the transaction if another one has put something in meanwhile.

    Who inserts reads the folder, but writes only its BTree, which would merge: a removal that
    commits second must notice by itself.  A BTree with one bucket keeps it in its own record.
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


def _everything_in(node: Node) -> Iterator[Node]:
    waiting = [node]
    while waiting:
        each = waiting.pop()
        yield each
        if isinstance(each, Folder):
            waiting.extend(each.children.values())


def _height(node: Node) -> int:
    """How many names the longest path below `node` has, its own included."""
    height, level = 0, [node]
    while level:
        height += 1
        level = [child for each in level if isinstance(each, Folder) for child in each.children.values()]
    return height


subtree = Subtree("naming", NamingSubtree, (store_new_class_name,))
