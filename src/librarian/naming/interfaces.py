"""The named tree: folders, and entries that give a file of the library a path.

A file of the library has an id, and its URL contains a random part.  That suits programs that store the id.
It does not suit people who look for the newest report under a path that they know.  The named tree is for
them: ``/reports/2026.txt`` stays the same path whatever file it leads to.

The tree consists of *folders* and *entries*.  An entry leads to an alias (an ILibraryFileAlias), not to
bytes; a download by path is a redirect to the download of that alias.  Caches may keep what they download,
because another file is another alias with another URL.

Putting a file under a path that exists already makes a new *version* of the entry.  Versions are numbered
from 1 on and a number is never used again.  The setting ``librarian.naming.keep_versions`` says how many
old versions are kept; there is no rule by age.  Every file that is the current version or a kept one is held
(see `FileHolds`), so the garbage collector leaves it alone.  A removed entry releases its files,
and the collector deletes them after its usual week.

Folders have *owners*.  The owner of a folder, the owners of the folders above it, and administrators may
change what is in it, by the permission librarian.EditTree.  A token needs the scope ``tree`` for that.
Folders and entries are public unless they are *restricted*; a restricted folder takes restricted files and
folders only, because what has been public cannot be hidden any more.  To a principal without
librarian.View a restricted node does not exist: it is in no listing, and its path is not found (404, not
403), so its name is not disclosed.

How a file gets a path, as ``PUT /tree/reports/2026.txt`` does it: the view stores the body in the byte
store outside any transaction; then, in a transaction that is tried again on conflict, it looks up the
folder (INamedTree.folder), checks If-Match and If-None-Match against the entry that is there, adds an
alias for the bytes, and calls INamedFolder.put(); that holds the alias and makes it the current version.
Two requests that replace the same entry at the same time produce two versions; neither is lost.

The modules: `model` has the stored classes and the rules of the tree (depth, cycles, versions); `service`
has the utility INamedTree and the folders and entries that it hands out, bound to the library;
`authorization` says who may see and change them; `views` is ``/tree`` over HTTP; `references` answers the
garbage collector.
"""

from typing import Any

from zope.interface import Attribute, Interface

from librarian.interfaces import LibrarianError
from librarian.library.uploads.interfaces import UploadUnwanted

# ruff: noqa: N805  # zope.interface methods are written without self


class NamingError(LibrarianError):
    """An operation on the named tree is refused; `path` is the path that it concerns."""

    def __init__(self, path: str, why: str) -> None:
        super().__init__(f"{path}: {why}")
        self.path = path


class NotThere(NamingError, KeyError):
    """No folder and no entry has this path."""

    def __init__(self, path: str) -> None:
        super().__init__(path, "there is nothing of this name")

    __str__ = LibrarianError.__str__  # KeyError would print the message in quotes


class NoSuchVersion(NamingError, LookupError):
    """An entry has no version of this number, or does not keep it any longer."""

    def __init__(self, path: str, number: int) -> None:
        super().__init__(path, f"there is no version {number}")
        self.number = number


class NoSuchFolder(NamingError, LookupError):
    """The folder that something is to be put into does not exist."""

    def __init__(self, path: str) -> None:
        super().__init__(path, "there is no such folder")


class AlreadyThere(NamingError, ValueError):
    """The name is taken by a node that this operation does not replace."""

    def __init__(self, path: str) -> None:
        super().__init__(path, "the name is taken")


class FolderNotEmpty(NamingError, ValueError):
    """A folder that is not empty is removed only with `recursive`."""

    def __init__(self, path: str) -> None:
        super().__init__(path, "the folder is not empty")


class CannotMove(NamingError, ValueError):
    """The root, or a folder that is to be moved into itself."""

    def __init__(self, path: str) -> None:
        super().__init__(path, "the root cannot be moved or removed, nor a folder be put into itself")


class TooDeep(NamingError, ValueError):
    """The path would have more than `most` names."""

    def __init__(self, path: str, most: int) -> None:
        super().__init__(path, f"more than {most} names in a path")
        self.most = most


class NotRestricted(NamingError, ValueError):
    """A public file or folder is to be put into a restricted folder, which would not hide it any more."""

    def __init__(self, path: str) -> None:
        super().__init__(path, "a restricted folder takes restricted files and folders only")


class TooManyFiles(NamingError, ValueError):
    """A folder that is to be packed into one ZIP file has more than `most` files and folders below it."""

    def __init__(self, path: str, most: int) -> None:
        super().__init__(path, f"there are more than {most:,} files and folders in it; take a part of it")
        self.most = most


class ConditionFailed(NamingError, UploadUnwanted, RuntimeError):
    """The entry is not in the state that If-Match or If-None-Match demands (RFC 9110, section 13.1)."""

    def __init__(self, path: str) -> None:
        super().__init__(path, "it is not as the request demands")


class INamed(Interface):
    """The base of folders and entries.  Valid as long as the tree is open in this thread."""

    name = Attribute("Its name in its folder; empty for the root.")
    path = Attribute("``/`` and the names that lead to it, with ``/`` between them.")
    restricted = Attribute("Whether only its owner, the owners above it, and administrators may see it.")
    date_created = Attribute("Aware, in UTC; None for the root.")


class INamedEntry(INamed):
    """A file under a name.  Files that it led to before are kept as versions."""

    version = Attribute("Number of the current version, from 1 on; not used again in this entry.")
    etag = Attribute("The strong, quoted entity tag of its file (RFC 9110, section 8.8.3); None if deleted.")
    alias_id = Attribute("The id of the current ILibraryFileAlias.")
    versions = Attribute(
        "The kept versions, the current one last: a tuple of (number, alias_id, date, author)."
    )

    def alias(version: int | None = None) -> Any:
        """The file of a version, by default of the current one: an ILibraryFileAlias without security
        proxy, because a principal that may see the entry may have its file.  Raises NoSuchVersion."""


class INamedFolder(INamed):
    """A folder.  Its owner, and the owners of folders above it, may change what is in it."""

    owner = Attribute("The IParticipant it belongs to; None: only administrators may change it.")

    def __getitem__(name: str) -> Any:  # an interface method has no self
        """The INamedFolder or INamedEntry of this name.  Raises NotThere (a KeyError)."""

    def get(name: str, default: Any = None) -> Any:
        """As self[name], but `default` where there is nothing that the principal may see."""

    def listing(start: str = "", limit: int | None = None) -> list[Any]:
        """Its folders and entries in the order of their names, from the name `start` on, at most `limit`.
        Those that the principal may not see are left out."""

    def put(name: str, alias: Any) -> Any:
        """Let `name` lead to the file of `alias`, an ILibraryFileAlias that the caller may see.

        Returns the INamedEntry.  The file it led to before becomes an old version.  The alias is held as
        long as the version is kept.  Raises AlreadyThere where the name is a folder, NotRestricted,
        InvalidFilename, NotStored for an alias whose file is deleted, TooDeep."""

    def make_current(name: str, version: int) -> Any:
        """Let the entry `name` lead to the file of one of its old versions again; returns the entry.

        That is a new version with a number of its own, so the one that was current until now is kept.
        Raises NotThere, NoSuchVersion, NotRestricted, and NotStored if the file was deleted."""

    def make_folder(name: str, restricted: bool = False, owner: Any = None) -> Any:
        """A new INamedFolder.  In a restricted folder it is restricted whatever the argument says.

        `owner` is an IParticipant, by default the acting person.
        Raises AlreadyThere, InvalidFilename, TooDeep."""

    def remove(name: str, recursive: bool = False) -> None:
        """Remove an entry with all its versions, or a folder.  Raises NotThere, FolderNotEmpty.

        The files are released; the garbage collector deletes those that nothing else holds after a week."""


class INamedTree(Interface):
    """A secured utility: the whole tree, by path.  The permissions are those of the folders on the way."""

    root = Attribute("The INamedFolder ``/``.")

    def __getitem__(path: str) -> Any:  # an interface method has no self
        """The INamedFolder or INamedEntry at `path`.  Raises NotThere."""

    def folder(path: str, make: bool = False) -> Any:
        """The INamedFolder at `path`.  With `make`, missing folders on the way are made.
        Raises NoSuchFolder."""

    def put(path: str, alias: Any) -> Any:
        """As INamedFolder.put.  Raises NoSuchFolder too."""

    def make_folder(path: str, restricted: bool = False, owner: Any = None) -> Any:
        """As INamedFolder.make_folder.  Raises NoSuchFolder too."""

    def remove(path: str, recursive: bool = False) -> None:
        """As INamedFolder.remove.  Raises CannotMove for the root."""

    def move(path: str, target: str) -> Any:
        """Give the folder or entry at `path` the path `target`; returns it.

        The caller needs librarian.EditTree on both folders.  An entry whose last name changes gets another
        alias of the same content, so that downloads have the new name.  Raises NotThere,
        NoSuchFolder, AlreadyThere, CannotMove, NotRestricted, TooDeep, InvalidFilename."""
