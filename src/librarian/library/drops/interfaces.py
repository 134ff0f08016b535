"""Upload links: a secret in a URL with which files can be sent to the library without an account.

A link is made by a person, or by a program, for what is wanted: it may fix the file's name, the media types,
the largest size, the number of files and the time; and it says what becomes of them: public or restricted,
for how long they are kept, and the folder of the named tree that they go into.  The files are the maker's.

A link is as strong as a download token: 32 random characters, of which only the SHA-256 is stored; lists show
an id made of that.  It is committed before it is given out.  A link that is unknown, revoked, expired or used
up, or whose maker was disabled, is the same 404 everywhere.

A sender has a page with a form, `PUT` and `POST`, and tus for large files: an upload below a link is the
link's alone, and has to be complete while the link still takes files.

The use of a link is counted in the transaction that adds the file.  So among any number of senders at the
same time exactly as many succeed as there are uses; a file that fails costs no use, and no crash takes one.
"""

from collections.abc import Iterator
from typing import Any

from zope.interface import Attribute, Interface

from librarian.interfaces import LibrarianError
from librarian.library.interfaces import IUploadLinkMaker
from librarian.library.uploads.interfaces import UploadUnwanted

# ruff: noqa: N805  # interface methods have no self


class DropError(LibrarianError):
    """The root of what upload links and files for them are refused for."""


class NoSuchUploadLink(DropError, UploadUnwanted, LookupError):
    """No upload link is known by this secret or id, or it is no longer good."""

    def __init__(self) -> None:
        super().__init__("Not Found")


class BadUploadLink(DropError, ValueError):
    """A link is to be made with a limit that cannot be."""


class WrongDropName(DropError, ValueError):
    """The link is for a file of another name."""

    def __init__(self, wanted: str) -> None:
        super().__init__(f"this link takes a file that is called {wanted}")
        self.wanted = wanted


class DropTooLarge(DropError, ValueError):
    """A file has more than `most` bytes."""

    def __init__(self, most: int) -> None:
        super().__init__(f"this link takes files of at most {most} bytes")
        self.most = most


class NoRoomForDrop(DropError, ValueError):
    """The files of the link's maker may not take so many bytes; the sender is not told how many they are."""

    def __init__(self) -> None:
        super().__init__("there is no room for this file behind this link; ask the one who gave it to you")


class WrongDropType(DropError, ValueError):
    """A file's media type is none of `wanted`."""

    def __init__(self, mimetype: str, wanted: tuple[str, ...]) -> None:
        super().__init__(f"this link takes {', '.join(wanted)}, and not {mimetype}")
        self.wanted = wanted


class IUploadLink(Interface):
    """The stored facts of a link; the secret itself is not stored."""

    id = Attribute("16 hex digits, the beginning of its SHA-256, by which lists name it.")
    terms = Attribute("The DropTerms.")
    owner = Attribute("The id of the principal who made it, and who owns what comes.")
    created = Attribute("When it was made, aware, in UTC.")
    expires = Attribute("When it stops working, aware, in UTC.")
    uses = Attribute("How many files have come.")


class IUploadLinks(IUploadLinkMaker):
    """All links that were not revoked or purged."""

    def __iter__() -> Iterator[Any]:
        """Every IUploadLink that the acting principal may revoke: its own, and for admins all."""

    def page(size: int, after: str = "") -> tuple[list[Any], str]:
        """At most `size` of these, those of an owner together and the oldest first, and the position of the
        last, which is the next page's `after`; empty at the end.  Raises BadUploadLink for no position."""

    def revoke(link_id: str) -> None:
        """Revoke a link when the caller's transaction commits.  Raises NoSuchUploadLink, also for others'."""


class IPlacesFiles(Interface):
    """The folders that files of links may go into; a utility that the system of names registers.

    Both methods judge by the acting principal, and raise what that system raises for its folders.
    """

    def check(folder: str, restricted: bool) -> None:
        """Raise unless files, restricted or not, can be put into the folder."""

    def place(folder: str, filename: str, alias: Any) -> str:
        """Name the stored alias in the folder, under `filename` or, where that is taken, a name made of it.

        Done in the caller's transaction.  Returns the path.
        """
