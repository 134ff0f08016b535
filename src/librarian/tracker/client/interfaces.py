"""The tracker's client: its errors, and how its parts work together.

A program on a worker machine makes one Client and calls get_file() and put_file() with names such as
``/problems/7/in/1.txt``, with or without a version (``...@1273000000``).  The client consists of a *remote
store* (a server), a *local store* (the cache of that server's files, or without a server the only copies),
and *locks*, as any number of processes share one cache.  Each can be replaced: a DataStore, a LockManager.

How get_file() goes: a name with a version is looked up in the local store under a shared lock (`cache`).  If
it is not there, the exclusive lock is taken and the file is fetched (`read_through`): the download
(`wire.downloads`) resumes after a broken connection and compares size and digest at its end; only then does
the file take its path, in one step.  The cache gets a hard link of it, and a record of its digest
(`stores.checksums`), so that a file that is edited through such a link is noticed and not given out again.
A name without a version means the newest: the server is asked for version and digest first, and if the
cached file has both, nothing is fetched.

How put_file() goes: version, size and digest are determined, the file is packed if that is worth it
(`wire.uploads`), and the server answers which version it holds now.  Then the cache gets the file too.

Requests are idempotent, because they carry versions; so they are repeated when a connection breaks
(`wire.transport`).  The cleaner (`cleaner`) keeps a cache below its limit; `migration` copies a whole name
space to another server.

The client runs on machines without zope and ZODB: it imports the standard library, urllib3, and of this
package only librarian.durable, librarian.quantities and librarian.net, which need no more than that.  So its
errors do not derive from LibrarianError, whose module needs zope.interface.
"""


class FiletrackerError(Exception):
    """The base of all errors that the tracker's client raises on purpose."""


class InvalidName(FiletrackerError, ValueError):
    """The name breaks a rule; `name` is what was given, `reason` which rule."""

    def __init__(self, name: object, reason: str) -> None:
        super().__init__(f"Invalid Filetracker filename: {reason}")
        self.name = name
        self.reason = reason


class InvalidDate(FiletrackerError, ValueError):
    """The text is no date, or one that no version can have."""

    def __init__(self, text: str) -> None:
        super().__init__(f"not a date as RFC 2822 writes them: {text[:80]!r}")
        self.text = text


class FileNotFound(FiletrackerError, LookupError):
    """None of the stores has this name."""

    def __init__(self, name: str, message: str | None = None) -> None:
        super().__init__(message or f"File not found: {name}")
        self.name = name


class VersionNotFound(FileNotFound):
    """The name has another version than this one; `available` is the newest."""

    def __init__(self, name: str, available: int | None) -> None:
        super().__init__(name, f"Version {name} not available. Server has {available}")
        self.available = available


class VersionChanged(FiletrackerError):
    """The file was overwritten while it was read, and the server has not kept the old version."""

    def __init__(self, name: str, version: int, now: int) -> None:
        super().__init__(f"{name} was version {version} when reading began and is version {now} now")
        self.name = name
        self.version = version
        self.now = now


class FileChanged(FiletrackerError):
    """A file became shorter while it was sent; the server has stored nothing of it."""

    def __init__(self, why: str) -> None:
        super().__init__(f"the file changed while it was sent: {why}")


class NameConflict(FiletrackerError, OSError):
    """A file stands where the name needs a directory, or a directory where it needs a file."""

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} collides with a file or directory of the same path")
        self.name = name


class DamagedFile(FiletrackerError, OSError):
    """A stored file has changed since it was stored.  Digests are sha256 in hex."""

    def __init__(self, name: str, expected: str, actual: str) -> None:
        super().__init__(f"{name} is damaged: its sha256 is {actual}, {expected} was stored")
        self.name = name
        self.expected = expected
        self.actual = actual


class DamagedTransfer(FiletrackerError, OSError):
    """A download differs from what the server announced."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"{name} did not arrive whole: {reason}")
        self.name = name
        self.reason = reason


class RemoteError(FiletrackerError):
    """The server refused the request; `status` is the HTTP status."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(f"HTTP/{status}: {reason}")
        self.status = status
        self.reason = reason


class RemoteUnavailable(FiletrackerError, ConnectionError):
    """The server did not answer any of the attempts."""

    def __init__(self, url: str, attempts: int, reason: str) -> None:
        super().__init__(f"no answer from {url} after {attempts} attempts: {reason}")
        self.url = url
        self.attempts = attempts
        self.reason = reason


class ProtocolMismatch(FiletrackerError):
    """The server does not speak a version of the protocol that the call needs."""


class GzipDamaged(FiletrackerError, OSError):
    """The bytes are not gzip, are truncated, or do not match the CRC of gzip."""


class GzipTooLong(FiletrackerError, OSError):
    """The bytes unpack to more than was declared or allowed; `limit` is that number of bytes."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"the gzip stream unpacks to more than {limit} bytes")
        self.limit = limit


class NotACache(FiletrackerError, ValueError):
    """The directory is not marked as a cache, so its files may be the only copies."""

    def __init__(self, path: str) -> None:
        super().__init__(f"{path} has no CACHEDIR.TAG, so its files may be the only copies")
        self.path = path


class NotASource(FiletrackerError, ValueError):
    """A directory has no files to migrate; `path` is the directory."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = path


class NotAFile(FiletrackerError, ValueError):
    """Something in a directory to migrate is no regular file; `name` is its name."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(reason)
        self.name = name
