"""The named tree: folders, and entries that are files under a name of their own."""

from typing import Any

from zope.interface import Attribute, Interface

from librarian.interfaces import LibrarianError

# ruff: noqa: N805  # zope.interface methods are written without self


class NamingError(LibrarianError):
    """The tree cannot do that; `path` says where."""

    def __init__(self, path: str, why: str) -> None:
        super().__init__(f"{path}: {why}")
        self.path = path


class NotThere(NamingError, KeyError):
    """No folder and no entry has this path."""

    def __init__(self, path: str) -> None:
        super().__init__(path, "there is nothing of this name")

    __str__ = LibrarianError.__str__  # KeyError would print the message in quotes


class NoSuchVersion(NamingError, LookupError):
    """An entry never had this version, or has let go of it."""

    def __init__(self, path: str, number: int) -> None:
        super().__init__(path, f"there is no version {number}")
        self.number = number


class NoSuchFolder(NamingError, LookupError):
    """What is to be put into a folder has none to be put into."""

    def __init__(self, path: str) -> None:
        super().__init__(path, "there is no such folder")


class AlreadyThere(NamingError, ValueError):
    """The name is taken, by something that is not simply replaced."""

    def __init__(self, path: str) -> None:
        super().__init__(path, "the name is taken")


class FolderNotEmpty(NamingError, ValueError):
    """A folder is removed with all that is in it only if that is said."""

    def __init__(self, path: str) -> None:
        super().__init__(path, "the folder is not empty")


class CannotMove(NamingError, ValueError):
    """The root, or a folder into itself."""

    def __init__(self, path: str) -> None:
        super().__init__(path, "the root cannot be moved or removed, nor a folder be put into itself")


class TooDeep(NamingError, ValueError):
    """More folders in folders than a path may have."""

    def __init__(self, path: str, most: int) -> None:
        super().__init__(path, f"more than {most} names in a path")
        self.most = most


class NotRestricted(NamingError, ValueError):
    """What is public already cannot be hidden by putting it into a restricted folder."""

    def __init__(self, path: str) -> None:
        super().__init__(path, "a restricted folder takes restricted files and folders only")


class ConditionFailed(NamingError, RuntimeError):
    """It has changed, or is or is not there, against what the caller took for granted."""

    def __init__(self, path: str) -> None:
        super().__init__(path, "it is not as the request demands")


class INamed(Interface):
    """What a folder and an entry have in common.  Valid while the tree stays open in the thread."""

    name = Attribute("Its name in its folder; empty for the root.")
    path = Attribute("``/`` and the names that lead to it, with ``/`` between them.")
    restricted = Attribute("Whether it is only for its owners, the owners above it, and administrators.")
    date_created = Attribute("Aware, in UTC; None for the root, which was always there.")


class INamedEntry(INamed):
    """A file under a name.  Replacing the file keeps the ones before as versions."""

    version = Attribute("Number of the current version, from 1 on; never used again in this entry.")
    etag = Attribute("The entity tag of its file as RFC 9110 has it, strong, quoted; None if deleted.")
    alias_id = Attribute("The id of the current ILibraryFileAlias.")

    def alias(version: int | None = None) -> Any:
        """The file, an unsecured ILibraryFileAlias: who may see the entry may have its file.
        Raises NoSuchVersion."""

    def versions() -> list[Any]:
        """Every version that is kept, the current one last: number, alias_id, date, author."""


class INamedFolder(INamed):
    """A folder.  Its owner, and the owners of folders above it, may change what is in it."""

    owner = Attribute("The IParticipant it belongs to; None: administrators.")

    def __getitem__(name: str) -> Any:  # an interface method has no self
        """The INamedFolder or INamedEntry of this name.  Raises NotThere (a KeyError)."""

    def get(name: str, default: Any = None) -> Any:
        """The same, or `default`."""

    def listing(start: str = "", limit: int | None = None) -> list[Any]:
        """What is in it by name, from `start` on, `limit` at most."""

    def put(name: str, alias: Any) -> Any:
        """Have `name` be the file behind `alias`, an ILibraryFileAlias the caller may see; the
        INamedEntry.  A file that was there becomes an old version.  The alias is held from now on.
        Raises AlreadyThere for a folder, NotRestricted, InvalidFilename, NotStored."""

    def make_folder(name: str, restricted: bool = False, owner: Any = None) -> Any:
        """A new INamedFolder; restricted in any case in a restricted one, and owned by the person
        who acts unless said otherwise.  Raises AlreadyThere, InvalidFilename, TooDeep."""

    def remove(name: str, recursive: bool = False) -> None:
        """Remove an entry with all its versions, or a folder.  Raises NotThere, FolderNotEmpty.

        Nobody holds the files any more, so the collector takes them after its week."""


class INamedTree(Interface):
    """A secured utility: the whole tree, by path.  Each folder decides about its own."""

    root = Attribute("The INamedFolder ``/``.")

    def __getitem__(path: str) -> Any:  # an interface method has no self
        """The INamedFolder or INamedEntry at `path`.  Raises NotThere."""

    def folder(path: str, make: bool = False) -> Any:
        """The INamedFolder at `path`; with `make`, made with those above it where missing.
        Raises NoSuchFolder."""

    def put(path: str, alias: Any) -> Any:
        """As INamedFolder.put.  Raises NoSuchFolder too."""

    def make_folder(path: str, restricted: bool = False, owner: Any = None) -> Any:
        """As INamedFolder.make_folder.  Raises NoSuchFolder too."""

    def remove(path: str, recursive: bool = False) -> None:
        """As INamedFolder.remove.  Raises CannotMove for the root."""

    def move(path: str, target: str) -> Any:
        """Give a folder or entry another path; what it is then.

        Takes the right to change both folders.  A file whose last name changes is downloaded under
        the new one from now on, which makes another alias of the same content.  Raises NotThere,
        NoSuchFolder, AlreadyThere, CannotMove, NotRestricted, TooDeep, InvalidFilename."""
