"""The library: contents, the aliases that expose them, the clients, and what each refuses."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any, BinaryIO

from zope.interface import Attribute, Interface

from librarian.interfaces import LibrarianError
from librarian.store.interfaces import IByteStore

# ruff: noqa: N805  # names given by the specification; interface methods have no self

#: A file with this expiry is never collected, whether or not anything refers to it.
NEVER_EXPIRES = datetime(2038, 1, 1, tzinfo=UTC)


class UploadFailed(LibrarianError):
    """The file was not added; nothing of it is kept."""


class InvalidFilename(UploadFailed, ValueError):
    """A name that cannot be the last segment of a URL and a file on every system."""

    def __init__(self, filename: str, why: str) -> None:
        super().__init__(f"Invalid filename: {why}")
        self.filename = filename


class InvalidContentType(UploadFailed, ValueError):
    """Not of the form type/subtype, with or without parameters (RFC 9110, 8.3.1)."""

    def __init__(self, content_type: str) -> None:
        super().__init__(f"Invalid content type: {content_type!r}")
        self.content_type = content_type


class InvalidExpiry(UploadFailed, ValueError):
    """An expiry without a time zone means a different moment in every place."""


class DownloadFailed(LibrarianError, LookupError):
    """The file is not to be had from here."""


class AliasNotFound(DownloadFailed, KeyError):
    """No alias has this id."""

    def __init__(self, alias_id: object) -> None:
        super().__init__(f"no alias has the id {alias_id}")
        self.alias_id = alias_id

    __str__ = LibrarianError.__str__  # KeyError would print the message in quotes


class NotStored(DownloadFailed):
    """The alias is not committed yet, or its file is deleted: there is nothing to open."""

    def __init__(self, alias_id: int, why: str) -> None:
        super().__init__(f"Alias {alias_id} cannot be opened: {why}.")
        self.alias_id = alias_id


class NoURL(LibrarianError, AssertionError):
    """A view was to lead to a file that is deleted (the seed demands AssertionError)."""

    def __init__(self) -> None:
        super().__init__(
            "MixedFileAliasView can not operate on deleted librarian files, since their URL is undefined."
        )


class WrongSpace(DownloadFailed):
    """A restricted file was asked of the public client, or the other way round."""

    def __init__(self, alias_id: int) -> None:
        super().__init__(f"Alias {alias_id} cannot be downloaded from this client.")
        self.alias_id = alias_id


class LibrarianServerError(LibrarianError):
    """The librarian answered that it cannot serve at the moment; trying later may help."""


class InvalidLifetime(LibrarianError, ValueError):
    """A token may live for some time, and no longer than the settings allow."""

    def __init__(self, lifetime: timedelta, longest: timedelta) -> None:
        allowed, asked = (str(duration).removesuffix(", 0:00:00") for duration in (longest, lifetime))
        super().__init__(f"a token lives more than nothing and at most {allowed}, not {asked}")
        self.lifetime = lifetime
        self.longest = longest


class InvalidUses(LibrarianError, ValueError):
    """A token that cannot be used even once opens nothing."""

    def __init__(self, max_uses: int) -> None:
        super().__init__(f"a token is good for at least one use, not {max_uses}")
        self.max_uses = max_uses


class InvalidCount(LibrarianError, ValueError):
    """Downloads are only ever added to a count: one or more."""

    def __init__(self, count: int) -> None:
        super().__init__(f"a download count grows by at least one, not by {count}")
        self.count = count


class NoSuchToken(LibrarianError, LookupError):
    """No token has this id; it may have been revoked or purged."""

    def __init__(self, token_id: str) -> None:
        super().__init__(f"no token has the id {token_id}")
        self.token_id = token_id


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
    """Something looks so wrong that collecting could take files which are wanted."""

    def __init__(self, why: str) -> None:
        super().__init__(f"nothing was collected: {why}")
        self.why = why


class NotOneInstallation(LibrarianError, RuntimeError):
    """Tree and byte store are not of the same installation, or cannot be told to be.

    To go on would be to sweep away what another tree names, or to name what is not there.
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
    """Bytes that the library holds, whatever names they go by.  Never changes."""

    sha256 = Attribute("64 hex digits; the key under which the byte store keeps the bytes.")
    sha1 = Attribute("40 hex digits.")
    md5 = Attribute("32 hex digits.")
    filesize = Attribute("Number of bytes.")
    datecreated = Attribute("When the library first took these bytes, aware, in UTC.")


class ILibraryFileAlias(Interface):
    """A file as its users know it: an id, a name, and the content behind them.

    Valid while the tree stays open in the thread that looked it up.  Keep `id`, not the object.
    """

    id = Attribute("Positive int below 2**53, random, never used again.")
    filename = Attribute("The last segment of its URLs, unquoted.")
    mimetype = Attribute("The Content-Type downloads are given.")
    content = Attribute("ILibraryFileContent, or None once the file is deleted.")
    expires = Attribute("None: while something refers to it; NEVER_EXPIRES; or a time, aware.")
    restricted = Attribute("Whether it lives in the restricted space.")
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
        """Start reading at the first byte.  Raises LookupError before the alias is committed and
        after its file is deleted."""

    def read(chunksize: int | None = None) -> bytes:
        """The next `chunksize` bytes, or all that are left; b"" at the end.

        Without open(), the whole file, opened and closed for this one call.
        """

    def close() -> None:
        """Stop reading; harmless when nothing is open."""

    def updateDownloadCount(day: date, country: Any, count: int) -> None:
        """Count `count` more downloads on `day` (in UTC) from `country`, an ICountry or None.

        Raises InvalidCount."""


class ILibraryFileDownloadCount(Interface):
    """How often one file was downloaded on one day from one country, as long as the tree is open."""

    libraryfilealias = Attribute("The ILibraryFileAlias.")
    day = Attribute("The date, in UTC.")
    country = Attribute("The ICountry; None where it is not known.")
    count = Attribute("How often; follows what is counted later.")


class IEditableFileAlias(Interface):
    """What an alias lets those do who may change it: its owner, and administrators."""

    def tokens() -> list[dict[str, Any]]:
        """What is known of the tokens for this file, oldest first; see describe_token()."""

    def revokeToken(token_id: str) -> None:
        """Make one of them worthless.  Raises NoSuchToken."""

    def hold(reason: str) -> None:
        """Keep the file until release() for the same `reason`.  Raises NotStored."""

    def release(reason: str) -> bool:
        """Let go; whether it was held for this reason by hold()."""

    def holders() -> list[str]:
        """Who holds it, whatever the system, in words."""

    def delete() -> None:
        """Delete the file; for a week undelete() brings it back."""

    def undelete() -> None:
        """Bring a deleted file back under its URL.  Raises CannotUndelete."""


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
        aborts, nobody names the bytes and they are swept after a day.  `file` is read to its end
        and stays the caller's.  `debugID` is written to the log.  Raises UploadFailed,
        SizeMismatch (an AssertionError), StoreFull.
        """

    def __getitem__(alias_id: int) -> Any:
        """The ILibraryFileAlias with this id.  Raises AliasNotFound (a LookupError)."""

    def findBySHA1(sha1: str) -> Iterator[Any]:
        """Aliases, not deleted, whose content has this digest (hex of either case)."""

    def findBySHA256(sha256: str) -> Iterator[Any]:
        """Aliases, not deleted, whose content has this digest (hex of either case)."""


class ILibrarianClient(Interface):
    """The library at its lowest level: ids in, files and URLs out.  Sees the public space only."""

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
        """Add a file in a transaction of the server's own; its download URL.

        It can be downloaded when this returns, and stays if the caller aborts; the caller's tree
        shows it from the next transaction on.  Raises UploadFailed, LibrarianServerError; and
        SizeMismatch, as addFile() does, where `file` holds fewer or more than `size` bytes: the server
        then keeps nothing.
        """

    def getFileByAlias(aid: int) -> Any:
        """An open file with read(), close() and iteration, the caller's to close.
        Raises DownloadFailed (a LookupError)."""

    def getURLForAlias(aid: int, secure: bool = False) -> str | None:
        """Where the file is downloaded from; None if it is deleted.  With `secure`, by https on
        a host name that belongs to this file alone.  Raises DownloadFailed."""


class IRestrictedLibrarianClient(ILibrarianClient):
    """The same for the restricted space, and for nothing else."""


class ITimeLimitedToken(Interface):
    """What is known of a token; not the token, which only its bearer has."""

    id = Attribute("16 hex digits that name it in lists; they say nothing about the token.")
    path = Attribute("The path it opens, canonically quoted.")
    alias_id = Attribute("The id in that path.")
    created = Attribute("When it was allocated, aware, in UTC.")
    expires = Attribute("The first moment at which it opens nothing any more.")
    max_uses = Attribute("How many downloads it is good for; None: any number.")
    uses = Attribute("How many it has been used for; counted where max_uses is set.")
    asked_by = Attribute("The id of the principal who asked for it.")
    last_used = Attribute("When it was last used, to the minute; None: never.")


class ITimeLimitedTokenSet(Interface):
    """All tokens that are not purged yet."""

    def allocate(url: str, lifetime: timedelta | None = None, max_uses: int | None = None) -> str:
        """A new token, 32 characters, for the file at `url`; committed when this returns.

        `lifetime` is the setting token_lifetime unless given, token_lifetime_max at most.
        Raises InvalidLifetime, InvalidUses.
        """

    def __iter__() -> Iterator[Any]:
        """Every ITimeLimitedToken."""

    def of_alias(alias_id: int) -> list[Any]:
        """The tokens of one file, oldest first."""

    def revoke(token_id: str) -> None:
        """Make one token worthless, when the caller's transaction commits.  Raises NoSuchToken."""

    def revoke_all(alias_id: int | None = None) -> int:
        """Make all tokens worthless, or all of one file; how many there were."""

    def purge(limit: int = 1000) -> int:
        """Forget up to `limit` tokens that died of age, the oldest first; how many there were."""


class ILibraryFile(Interface):
    """An open file of the library, its reader's to close.  It needs neither the tree nor an interaction
    once it is open, and may be read in another thread than the one that opened it."""

    def read(chunksize: int | None = None) -> bytes:
        """So many bytes, or all that are left; nothing at the end.  Raises BytesDamaged."""

    def seek(offset: int, whence: int = 0) -> int:
        """Go to a position, as io.IOBase has it; answers it."""

    def tell() -> int:
        """The position, in bytes."""

    def close() -> None:
        """Harmless when it is closed already."""


class IFileHolder(Interface):
    """An object of another system that shows files it keeps under ``+files/<filename>``."""

    def getFileByName(filename: str) -> int:
        """The alias id of its file called `filename`.  Raises LookupError.  Guard it with the
        permission that reading the files shall need."""


class IVerifiedReads(Interface):
    """Files of a byte store, verified as the setting ``verify_reads`` says.

    A small file is hashed whenever it is read, before any of it is given.  A larger one is hashed in the
    background when it is first read in a day (``daily``), or while it is read (``always``).  What is
    damaged is set aside, and written into the audit log with the files that have it.  One for each
    process; what several processes have seen to they do not tell each other.
    """

    def open(store: IByteStore, sha256: str, size: int) -> BinaryIO:
        """Bytes of `size` as IByteStore.open() gives them; where they are verified while they are read,
        read() raises BytesDamaged instead of the last piece.  Raises BytesNotFound, BytesDamaged."""

    def checked(store: IByteStore, file: BinaryIO, sha256: str, size: int, whole: bool = True) -> BinaryIO:
        """The same for a `file` that is open at its beginning, and taken over.  Where only a part of it
        will be read, so not `whole`, ``always`` verifies all of it first."""

    def must_stream(size: int) -> bool:
        """Whether a file of so many bytes may only be sent by who verifies it while sending."""

    def is_sound(sha256: str, size: int) -> bool:
        """Whether the bytes need not be doubted now: False for a larger file that ``daily`` has not
        verified today.  An answer with such bytes is one that no cache should keep unasked."""

    def set_aside(store: IByteStore, sha256: str) -> bool:
        """Quarantine bytes that were seen to be wrong, and say so; False where they are sound."""

    def finish() -> None:
        """Wait until all that is due by now is verified."""


class IFileReferences(Interface):
    """A named utility: a system that keeps files by holding alias ids.

    The garbage collector asks every one of them and stops if any fails.
    """

    def held_among(alias_ids: frozenset[int]) -> set[int]:
        """Those of `alias_ids` that this system holds at this moment.  Called with some
        thousands at a time, in an open tree session."""

    def holders(alias_id: int) -> list[str]:
        """Who holds it, in words a person understands; empty if nobody here does."""
