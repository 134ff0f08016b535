"""The library: contents, the aliases that name them, the clients, and what each refuses.

An application hands over bytes and gets an *alias* for them: an id, a filename, a media type and rules.  The
bytes themselves are a *content*.  A byte store keeps each content once, under its SHA-256, however many
aliases name it; contents and aliases are persistent objects in the database, below one subtree of its root.

There are two spaces.  A public alias can be downloaded by everyone who reaches the public endpoint.  A
restricted one lives in a space of its own, with a client, an upload endpoint and a download endpoint of its
own; through the public endpoint it is reached only with a *token*, a secret in the URL that lets its bearer
download one file for some time (see tokens.interfaces).

A typical file goes this way.

1. A component calls ILibraryFileAliasSet.create(), or ILibrarianClient.addFile(), in its own transaction.
   The bytes are hashed while they are stored and are durable when the call returns.  The alias becomes
   visible when the transaction commits; if it aborts, no alias names the bytes, and a sweep removes them
   after a day.  A program on another machine sends ``PUT /<filename>`` to an upload endpoint, or calls
   ILibrarianClient.remoteAddFile(), and gets the URL once the server has committed the alias.
2. The component keeps the alias id, a random number below 2**53, and gives `http_url` or getURL() to
   browsers.  ``GET /<id>/<filename>`` on a download endpoint is answered from the byte store.  A deleted
   file has no URL; its id is never used again.
3. In a process that has the database, ILibraryFileAlias.open() and read() give the bytes without HTTP.
   Small files are verified whenever they are read, large ones once a day; see IVerifiedReads.
4. Downloads are counted from the access logs, by day and country; see ILibraryFileDownloadCount.

How long a file stays is in `expires`.  A file with a date is deleted a week after that date, whether or not
anything refers to it; NEVER_EXPIRES keeps it for good.  A file without one stays while a system *holds* it:
every system that keeps files registers an IFileReferences, which the garbage collector asks, and an alias
that none has held for a week is dropped.  Bytes go when no alias names them any more.  A file that was
deleted by hand can be brought back for a week (IEditableFileAlias.undelete).

Objects are found through utilities: ILibraryFileAliasSet for aliases of both spaces, ILibrarianClient and
IRestrictedLibrarianClient for ids and URLs of one space, ITimeLimitedTokenSet for tokens.  What they give out
is guarded by permissions: ``librarian.View`` to read a file, ``librarian.Edit`` to change it (the owner and
administrators), ``librarian.Upload`` to add one.  Scripts begin with librarian.library.open_library().

Errors are LibrarianError with a second base that says how a caller may treat them: UploadFailed (nothing was
kept), DownloadFailed (a LookupError: there is no such file here), LibrarianServerError (try again later).
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any, BinaryIO

from zope.interface import Attribute, Interface

from librarian.interfaces import LibrarianError
from librarian.store.interfaces import IByteStore

# ruff: noqa: N805  # interface methods have no self

#: A file with this expiry is never collected, whether or not anything refers to it.
NEVER_EXPIRES = datetime(2038, 1, 1, tzinfo=UTC)


class UploadFailed(LibrarianError):
    """The file was not added; nothing of it is kept."""


class InvalidFilename(UploadFailed, ValueError):
    """The name cannot be both the last segment of a URL and a file name on every operating system."""

    def __init__(self, filename: str, why: str) -> None:
        super().__init__(f"Invalid filename: {why}")
        self.filename = filename


class InvalidContentType(UploadFailed, ValueError):
    """The type is not type/subtype with optional parameters (RFC 9110, section 8.3.1)."""

    def __init__(self, content_type: str) -> None:
        super().__init__(f"Invalid content type: {content_type!r}")
        self.content_type = content_type


class InvalidExpiry(UploadFailed, ValueError):
    """The expiry has no time zone, or is a time that UTC does not have."""


class DownloadFailed(LibrarianError, LookupError):
    """There is no such file here."""


class AliasNotFound(DownloadFailed, KeyError):
    """No alias has this id."""

    def __init__(self, alias_id: object) -> None:
        super().__init__(f"no alias has the id {alias_id}")
        self.alias_id = alias_id

    __str__ = LibrarianError.__str__  # KeyError would print the message in quotes


class NotStored(DownloadFailed):
    """The alias is not committed yet, or its file is deleted: there is nothing to open."""

    def __init__(self, alias_id: int, why: str) -> None:
        super().__init__(f"alias {alias_id} cannot be opened: {why}")
        self.alias_id = alias_id


class NoURL(LibrarianError, AssertionError):
    """A view was asked for the URL of a deleted file, without looking at `deleted`: a bug of its caller."""

    def __init__(self) -> None:
        super().__init__(  # callers match this text
            "MixedFileAliasView can not operate on deleted librarian files, since their URL is undefined."
        )


class WrongSpace(DownloadFailed):
    """A restricted file was asked of the public client, or the other way round."""

    def __init__(self, alias_id: int, restricted: bool) -> None:
        space = "restricted" if restricted else "public"
        super().__init__(f"alias {alias_id} is in the {space} space: ask the client of that")
        self.alias_id = alias_id


class LibrarianServerError(LibrarianError):
    """The server answered with a 5xx status (RFC 9110, section 15.6); a later attempt may succeed."""


class InvalidCount(LibrarianError, ValueError):
    """Fewer than one download was to be added to a count."""

    def __init__(self, count: int) -> None:
        super().__init__(f"a download count grows by at least one, not by {count}")
        self.count = count


class UnreadableLog(LibrarianError, OSError):
    """A log cannot be opened, or its compression is damaged; what was counted of it stays counted."""

    def __init__(self, path: str, why: str) -> None:
        super().__init__(f"{path}: {why}")
        self.path = path
        self.why = why


class LogReadTwice(LibrarianError, RuntimeError):
    """Another run counts the same log at this moment; nothing was counted twice."""

    def __init__(self) -> None:
        super().__init__("another run is counting this log")


class CollectorRefuses(LibrarianError, RuntimeError):
    """The collector found a reason to believe that it would remove files which are wanted."""

    def __init__(self, why: str) -> None:
        super().__init__(f"nothing was collected: {why}")
        self.why = why


class NotOneInstallation(LibrarianError, RuntimeError):
    """Tree and byte store belong to different installations, or nothing shows that they belong together.

    A collector would sweep bytes that another tree names, and downloads would find no bytes.
    """

    def __init__(self, why: str) -> None:
        super().__init__(
            f"the tree and the byte store do not belong together: {why}; see whether librarian.database_uri"
            " and librarian.byte_store are right and what they name is mounted, bring back what is lost with"
            " `librarian restore`, or, if these two are to be one library, say so with `librarian adopt`"
        )
        self.why = why


class CannotUndelete(LibrarianError, LookupError):
    """The file is not deleted, or was deleted too long ago."""

    def __init__(self, alias_id: int) -> None:
        super().__init__(f"alias {alias_id} has no deleted file that could be brought back")
        self.alias_id = alias_id


class ILibraryFileContent(Interface):
    """Bytes that the library holds once, under any number of aliases.  Never changes."""

    sha256 = Attribute("64 hex digits; the key under which the byte store keeps the bytes.")
    sha1 = Attribute("40 hex digits.")
    md5 = Attribute("32 hex digits.")
    filesize = Attribute("Number of bytes.")
    datecreated = Attribute("When the library first took these bytes, aware, in UTC.")


class ILibraryFileAlias(Interface):
    """An id, a name, a type and rules for a content.

    Valid while the database session in which it was looked up is open.  Keep `id`, not the object.  Two are
    equal if they have the same id.
    """

    id = Attribute("Random int from 1 to 2**53 - 1, which JSON and JavaScript have exactly.")
    filename = Attribute("The last segment of its URLs, unquoted.")
    mimetype = Attribute("The Content-Type downloads are given.")
    content = Attribute("ILibraryFileContent, or None once the file is deleted.")
    expires = Attribute("An aware datetime, NEVER_EXPIRES, or None: it stays while a system holds it.")
    restricted = Attribute("Whether it is in the restricted space.")
    owner = Attribute("The id of the principal who added it, or None.")
    date_created = Attribute("When it was added, aware, in UTC.")
    deleted = Attribute("Whether its content is gone; its URLs are then None.")
    http_url = Attribute("Where it is downloaded from, by http; None when deleted.")
    https_url = Attribute("The same by https; None when deleted.")
    private_url = Attribute("The https URL on a host of its own; None when deleted.")
    hits = Attribute("How often it was downloaded, as far as the logs have been counted.")
    last_downloaded = Attribute("From the last day it was downloaded to today, a timedelta; or None.")
    download_counts = Attribute("Every ILibraryFileDownloadCount it has, by day, then by country.")

    def getURL(
        secure: bool = True,
        include_token: bool = False,
        lifetime: timedelta | None = None,
        max_uses: int | None = None,
    ) -> str | None:
        """The URL to give to a browser.

        Public: `https_url` if the setting ``use_https`` is on and `secure` is asked, else
        `http_url`.  Restricted: `private_url`; `include_token` adds a fresh token, see
        ITimeLimitedTokenSet.allocate.
        """

    def open() -> None:
        """Start reading at the first byte.  Raises NotStored (a LookupError) before the alias is committed
        and after its file is deleted."""

    def read(chunksize: int | None = None) -> bytes:
        """At most `chunksize` next bytes, by default all that are left; b"" at the end.

        Without open(), the whole file, opened and closed for this one call.
        """

    def close() -> None:
        """Stop reading; does nothing when the alias is not open."""

    def updateDownloadCount(day: date, country: Any, count: int) -> None:
        """Count `count` more downloads on `day` (in UTC) from `country`, an ICountry or None.

        Raises InvalidCount."""


class ILibraryFileDownloadCount(Interface):
    """The downloads of one file on one day from one country.  Valid as long as its alias."""

    libraryfilealias = Attribute("The ILibraryFileAlias.")
    day = Attribute("The date, in UTC.")
    country = Attribute("The ICountry; None where it is not known.")
    count = Attribute("Number of downloads, read from the tree each time.")


class IEditableFileAlias(Interface):
    """The changes that the owner of an alias and administrators may make."""

    def tokens() -> list[dict[str, Any]]:
        """The tokens for this file as JSON has them, oldest first; see tokens.service.describe_token()."""

    def revokeToken(token_id: str) -> None:
        """Revoke the token with this id.  Raises NoSuchToken."""

    def hold(reason: str) -> None:
        """Keep the file until release() with the same `reason`, a few words.  Raises NotStored."""

    def release(reason: str) -> bool:
        """Undo hold(); returns whether the file was held for this reason."""

    def holders() -> list[str]:
        """``<system>: <reason>`` of every hold that any system has on the file."""

    def keepUntil(expires: datetime | None) -> None:
        """Change `expires`.  Raises InvalidExpiry, NotStored."""

    def delete() -> None:
        """Delete the file; for a week undelete() brings it back."""

    def undelete() -> None:
        """Bring a deleted file back under its URL.  Raises CannotUndelete."""


class IUploadLinkMaker(Interface):
    """Makes upload links, with which files are sent without an account; see drops.interfaces."""

    def create(lifetime: timedelta | None = None, **terms: Any) -> str:
        """The URL of a new link; committed when this returns.

        `terms` are those of DropTerms; `lifetime` is the setting upload_link_lifetime unless given,
        upload_link_lifetime_max at most.  Raises BadUploadLink, InvalidFilename, Unauthorized, and what the
        named tree raises for a folder.
        """


class ILibraryFileAliasSet(Interface):
    """All aliases, of both spaces."""

    def create(
        name: str,
        size: int,
        file: BinaryIO,
        contentType: str,
        expires: datetime | None = None,
        debugID: str | None = None,
        restricted: bool = False,
        allow_zero_length: bool = False,
    ) -> Any:
        """Add the `size` bytes that `file` holds, and return their new ILibraryFileAlias.

        The bytes are durable at once, the alias when the caller's transaction commits; if it
        aborts, no alias names the bytes and they are swept after a day.  `file` is read to its end
        and not closed.  `debugID` is written to the log.  Raises UploadFailed, SizeMismatch (an
        AssertionError), StoreFull.
        """

    def createUploadToken(lifetime: timedelta | None = None, **terms: Any) -> str:
        """The URL of a new upload link, with which files are sent without an account.

        See drops.interfaces: the terms are `wanted`, `filename`, `max_size`, `media_types`, `max_uses` (1
        unless given), `restricted` (True), `folder` and `keep`.  Committed when this returns.  Raises
        BadUploadLink, InvalidFilename.
        """

    def __getitem__(alias_id: int) -> Any:
        """The ILibraryFileAlias with this id.  Raises AliasNotFound (a LookupError)."""

    def findBySHA1(sha1: str) -> Iterator[Any]:
        """Aliases, not deleted, whose content has this digest (hex of either case)."""

    def findBySHA256(sha256: str) -> Iterator[Any]:
        """Aliases, not deleted, whose content has this digest (hex of either case)."""


class ILibrarianClient(Interface):
    """Ids in, files and URLs out; the public space only."""

    def addFile(
        name: str,
        size: int,
        file: BinaryIO,
        contentType: str,
        expires: datetime | None = None,
        debugID: str | None = None,
        allow_zero_length: bool = False,
    ) -> int:
        """Add a file in the caller's transaction, as ILibraryFileAliasSet.create; its id."""

    def remoteAddFile(
        name: str, size: int, file: BinaryIO, contentType: str, expires: datetime | None = None
    ) -> str:
        """Add a file through the upload endpoint, in a transaction of the server; returns its download URL.

        It can be downloaded when this returns, and stays if the caller aborts; the caller's tree
        shows it from the next transaction on.  Raises UploadFailed, LibrarianServerError; and
        SizeMismatch, as addFile() does, where `file` holds fewer or more than `size` bytes: the server
        then keeps nothing.
        """

    def getFileByAlias(aid: int) -> Any:
        """An open ILibraryFile, which the caller closes.  Raises DownloadFailed (a LookupError)."""

    def getURLForAlias(aid: int, secure: bool = False) -> str | None:
        """The download URL; None if the file is deleted.  With `secure`, an https URL on a host name that no
        other file has.  Raises DownloadFailed."""


class IRestrictedLibrarianClient(ILibrarianClient):
    """The same for the restricted space, and for nothing else."""


class ILibraryFile(Interface):
    """An open file, which its reader closes.  It needs neither the tree nor an interaction, and may be read
    in another thread than the one that opened it."""

    def read(chunksize: int | None = None) -> bytes:
        """At most `chunksize` bytes, by default all that are left; b"" at the end.  Raises BytesDamaged."""

    def seek(offset: int, whence: int = 0) -> int:
        """Change the position as io.IOBase.seek() does, and return it."""

    def tell() -> int:
        """The position, in bytes."""

    def close() -> None:
        """Close it; does nothing when it is closed already."""


class IFileHolder(Interface):
    """An object of another system whose files are shown under ``<its URL>/+files/<filename>``."""

    def getFileByName(filename: str) -> int:
        """The alias id of its file called `filename`.  Raises LookupError.  Guard it with the
        permission that reading the files needs; none is asked for the alias."""


class IVerifiedReads(Interface):
    """Files of a byte store, verified as the setting ``verify_reads`` says.

    A small file is hashed whenever it is read, before any of it is given.  A larger one is hashed in the
    background when it is first read in a day (``daily``), or while it is read (``always``).  What is
    damaged is quarantined, and written into the audit log with the files that have it.  One for each
    process: processes do not share what they have verified.  A store that verifies what it gives
    (`IByteStore.verifies_reads`) is believed.
    """

    def open(store: IByteStore, sha256: str, size: int) -> BinaryIO:
        """Bytes of `size` as IByteStore.open() gives them; where they are verified while they are read,
        read() raises BytesDamaged instead of the last piece.  Raises BytesNotFound, BytesDamaged."""

    def checked(store: IByteStore, file: BinaryIO, sha256: str, size: int, whole: bool = True) -> BinaryIO:
        """The same for a `file` that is open at its beginning, and taken over.  Where only a part of it
        will be read, so not `whole`, ``always`` verifies all of it first."""

    def must_stream(size: int) -> bool:
        """Whether a file of `size` bytes has to pass through checked() while it is sent, so not by sendfile()
        or by a front end."""

    def is_sound(sha256: str, size: int) -> bool:
        """False for a large file that ``daily`` has not verified today.  A response with such bytes should
        not be cached without revalidation."""

    def quarantine(store: IByteStore, sha256: str) -> bool:
        """Verify bytes that were found wrong, quarantine and log them; False if they are sound after all."""

    def suspect(store: IByteStore, sha256: str) -> None:
        """Have quarantine() judge bytes in the background that a reader was sent wrong.  Where they are no
        longer held, although files have them, that is announced as damage too."""

    def finish() -> None:
        """Wait until everything that is queued for verification is verified."""


class IFileReferences(Interface):
    """A named utility: a system that keeps files by holding alias ids.

    The garbage collector asks every one of them and stops if any fails.
    """

    def held_among(alias_ids: frozenset[int]) -> set[int]:
        """Those of `alias_ids`, some thousands, that this system holds now.  Called in an open session."""

    def holders(alias_id: int) -> list[str]:
        """``<system>: <reason>`` for each hold of this system on the file."""
