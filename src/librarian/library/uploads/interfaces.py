"""Resumable uploads: one file in several requests, by tus 1.0 or by the IETF's draft.

A client begins an upload by naming the file, and gets a URL for it.  There it sends the bytes in order, as
many at a time as the network lets it; after a failure it asks how many have come (the *offset*), and goes on
from there.  With the last byte the upload is *complete*: the bytes are compared with the length and the
digests that were declared at the beginning, and the file is added to the library, in one transaction, under
an id that was chosen when the upload began.  So a last request that is repeated, because its answer was lost
or the server was killed, finds the file that is there, and is answered as the first time.

The bytes lie in the byte store as a partial upload (`librarian.store.interfaces.IPartials`), and so do the
facts of it: nothing is written to the tree before the end.  An upload belongs to the principal who began it,
and to one space, public or restricted; for others it does not exist.  It expires some time after it was begun
(the setting ``librarian.resumable_lifetime``), complete or not; the collector removes what has expired.

An upload on the web application may have a path of the named tree as its *target*: then the transaction that
adds the file gives it that path, as a PUT to the path would.  Whether the principal may write there, and what
If-Match and If-None-Match say, is judged at the beginning, before bytes are sent, and again at the end.

At one time one request writes.  Another gets 423 or 409, unless it asks for the offset or deletes the upload:
then the request before it hangs in a broken connection, and is ended, if it is this process that has it.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from zope.interface import Attribute, Interface

from librarian.interfaces import LibrarianError

# ruff: noqa: N805  # interface methods have no self


class ResumableUploadError(LibrarianError):
    """The root of what a resumable upload is refused for."""


class UploadNotFound(ResumableUploadError, LookupError):
    """No upload has this id, or it is another principal's, or of the other space."""

    def __init__(self, upload_id: str) -> None:
        super().__init__("Not Found")
        self.upload_id = upload_id


class UploadExpired(ResumableUploadError, LookupError):
    """The upload was there, and is too old to go on."""

    def __init__(self, upload_id: str, until: datetime) -> None:
        super().__init__(f"this upload expired at {until.isoformat(timespec='seconds')}")
        self.upload_id = upload_id
        self.until = until


class UploadBusy(ResumableUploadError, RuntimeError):
    """Another request is writing to the upload at this moment."""

    def __init__(self, upload_id: str) -> None:
        super().__init__("another request is writing to this upload at the moment")
        self.upload_id = upload_id


class OffsetMismatch(ResumableUploadError, ValueError):
    """A piece does not begin where the one before it ended.  Both in bytes."""

    def __init__(self, expected: int, provided: int) -> None:
        super().__init__(f"the upload goes on at byte {expected}, not at {provided}")
        self.expected = expected
        self.provided = provided


class InconsistentLength(ResumableUploadError, ValueError):
    """The lengths that are told, or the bytes that came, contradict each other."""


class UploadTooLarge(ResumableUploadError, ValueError):
    """A length beyond the setting ``librarian.resumable_max_size``, or bytes beyond the declared length."""


class UploadCompleted(ResumableUploadError, ValueError):
    """A piece for an upload that is complete already."""

    def __init__(self, upload_id: str) -> None:
        super().__init__("this upload is complete")
        self.upload_id = upload_id


class ChecksumMismatch(ResumableUploadError, ValueError):
    """A piece is not what its checksum says; it was forgotten."""

    def __init__(self, algorithm: str) -> None:
        super().__init__(f"the {algorithm} of this piece is another than was declared; send it again")
        self.algorithm = algorithm


class UnknownChecksum(ResumableUploadError, ValueError):
    """A checksum by an algorithm that is not known here, or malformed."""


class BytesLost(ResumableUploadError, LookupError):
    """The upload was whole, but its bytes are no longer held: it is to be begun anew."""


class UploadUnwanted(LibrarianError):
    """What the upload is for takes no file any more; a base class of other systems' errors.

    Raised at the completion of an upload it has the bytes dropped: to send them again would not help.
    """


class ITargetUploads(Interface):
    """The side of the named tree in an upload with a target; a utility that the system of names registers.

    `target` is a Target.  Permissions are those of the acting principal.
    """

    def check(target: Any) -> bool:
        """Whether a file that is put there is restricted, though nothing asks for that.

        Raises what that system refuses a PUT to the path for: InvalidFilename, Unauthorized, a failed
        condition, which is UploadUnwanted, a folder that is missing.
        """

    def name(target: Any, alias: Any) -> None:
        """Give the stored `alias` the path, in the transaction that adds it.  Raises the same."""

    def describe(target: Any, alias: Any) -> dict[str, Any]:
        """The JSON object that a PUT to the path is answered with, about the version that `alias` is.

        ``version`` is None where the path has it no longer.
        """

    def location(target: Any) -> str:
        """The URL of the path, without scheme and host."""


class ILinkUploads(Interface):
    """The side of upload links in an upload that came by one; a utility.

    `link` is the hex SHA-256 of the link's secret.
    """

    def expires(link: str) -> datetime | None:
        """When a file that is added now expires.  Raises a LibrarianError if the link takes no file."""

    def takes(link: str) -> bool:
        """Whether the link takes a file now; it may do so later no more."""

    def received(link: str, alias: Any) -> None:
        """Count the stored `alias`, in the transaction that adds it.  Raises the same."""


class IResumableUploads(Interface):
    """The uploads that are under way on this machine.  Owner and space are the caller's to check."""

    longest = Attribute("The most bytes an upload may have; None: no limit but the room.")

    def begin(filename: str, mimetype: str, **facts: Any) -> Any:
        """A new, empty IPartial, the caller's to close.

        `facts` are those of UploadFacts; `most` limits the length.  Raises InvalidFilename,
        InvalidContentType, UploadTooLarge, StoreFull, StoreUnavailable, and what a target is refused for.
        """

    def facts(upload_id: str, owner: str | None, restricted: bool | None) -> Any:
        """The UploadFacts of one; `restricted` None: of either space.

        Raises UploadNotFound, UploadExpired.
        """

    def piece(
        upload_id: str,
        offset: int,
        *,
        size: int | None = None,
        length: int | None = None,
        digests: Mapping[str, str] | None = None,
        of_whole: Mapping[str, str] | None = None,
        may_repeat: bool = True,
    ) -> Any:
        """A Piece that begins at `offset`, the caller's to write, finish and close.

        Where all bytes have come, and the piece ends at their end, it is compared with them and changes
        nothing: its answer was lost.  Without `may_repeat` it is refused.

        `size` is that of the piece (None: not known), `length` that of the file if it is told only now;
        `digests` are those of the piece, hex by hashlib's names, and those `of_whole` of the file, which are
        compared when it is complete.

        Raises UploadBusy, OffsetMismatch, UploadNotFound, UploadCompleted, StoreUnavailable, and
        DigestMismatch where another digest of the file was declared before.
        """

    def offset(upload_id: str) -> int:
        """How many bytes have come, durably.  A request that hangs is ended.

        Raises UploadBusy, UploadNotFound.
        """

    def complete(partial: Any) -> dict[str, Any]:
        """Add the file, once; the JSON object that describes it, also when this is repeated.

        Raises DigestMismatch, InconsistentLength and UploadUnwanted, after which the upload is gone;
        StoreFull; BytesLost; what else a target is refused for, after which it may be completed later.
        """

    def cancel_by_link(link: str) -> None:
        """Forget the uploads that came by a link and are not complete, but those that another process is
        writing to: the collector removes them."""

    def cancel(upload_id: str) -> None:
        """Forget an upload; a file that was added stays.  Raises UploadBusy, UploadNotFound."""
