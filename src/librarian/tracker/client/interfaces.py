"""What the client may refuse or fail at.

The client runs on machines that have neither zope nor ZODB, so its errors have a root of their own
instead of LibrarianError, whose module needs zope.interface.
"""


class FiletrackerError(Exception):
    """The root of everything the tracker's client raises on purpose."""


class InvalidName(FiletrackerError, ValueError):
    """The name breaks a rule; `name` is what was given, `reason` which rule."""

    def __init__(self, name: object, reason: str) -> None:
        super().__init__(f"Invalid Filetracker filename: {reason}")
        self.name = name
        self.reason = reason


class InvalidDate(FiletrackerError, ValueError):
    """Not a date that a version can be read from."""

    def __init__(self, text: str) -> None:
        super().__init__(f"not a date as RFC 2822 writes them: {text[:80]!r}")
        self.text = text


class FileNotFound(FiletrackerError, LookupError):
    """No store that was asked has this name."""

    def __init__(self, name: str, message: str | None = None) -> None:
        super().__init__(message or f"File not found: {name}")
        self.name = name


class VersionNotFound(FileNotFound):
    """The name is there, this version of it is not; `available` is the version that is."""

    def __init__(self, name: str, available: int | None) -> None:
        super().__init__(name, f"Version {name} not available. Server has {available}")
        self.available = available


class VersionChanged(FiletrackerError):
    """The file was overwritten while it was being read, and the rest of the old version is gone."""

    def __init__(self, name: str, version: int, now: int) -> None:
        super().__init__(f"{name} was version {version} when reading began and is version {now} now")
        self.name = name
        self.version = version
        self.now = now


class FileChanged(FiletrackerError):
    """A file became shorter while it was sent; the server keeps nothing of it."""

    def __init__(self, why: str) -> None:
        super().__init__(f"the file changed while it was sent: {why}")


class NameConflict(FiletrackerError, OSError):
    """A file stands where the name needs a directory, or a directory where it needs a file."""

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} collides with a file or directory of the same path")
        self.name = name


class DamagedFile(FiletrackerError, OSError):
    """Stored bytes are no longer the bytes that were stored.  Digests are sha256 in hex."""

    def __init__(self, name: str, expected: str, actual: str) -> None:
        super().__init__(f"{name} is damaged: its sha256 is {actual}, {expected} was stored")
        self.name = name
        self.expected = expected
        self.actual = actual


class DamagedTransfer(FiletrackerError, OSError):
    """What arrived is not what the server said it would send."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"{name} did not arrive whole: {reason}")
        self.name = name
        self.reason = reason


class RemoteError(FiletrackerError):
    """The server answered, and the answer was a refusal; `status` is the HTTP status."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(f"HTTP/{status}: {reason}")
        self.status = status
        self.reason = reason


class RemoteUnavailable(FiletrackerError, ConnectionError):
    """No answer came from the server, however often it was asked."""

    def __init__(self, url: str, attempts: int, reason: str) -> None:
        super().__init__(f"no answer from {url} after {attempts} attempts: {reason}")
        self.url = url
        self.attempts = attempts
        self.reason = reason


class ProtocolMismatch(FiletrackerError):
    """The server speaks no version of the protocol that the call needs."""


class GzipDamaged(FiletrackerError, OSError):
    """The bytes are not gzip, are cut short, or do not match gzip's own check."""


class GzipTooLong(FiletrackerError, OSError):
    """The bytes unpack to more than was declared or allowed; `limit` is that number of bytes."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"the gzip stream unpacks to more than {limit} bytes")
        self.limit = limit


class NotACache(FiletrackerError, ValueError):
    """The directory does not say that its files are copies; it may be the only place they are."""

    def __init__(self, path: str) -> None:
        super().__init__(f"{path} has no CACHEDIR.TAG, so its files may be the only copies")
        self.path = path


class NotASource(FiletrackerError, ValueError):
    """There is nothing to migrate from; `path` is the directory that was given."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = path


class NotAFile(FiletrackerError, ValueError):
    """Something in a directory that is no file to copy; `name` is where."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(reason)
        self.name = name
