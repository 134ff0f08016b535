"""Probing: asking one mirror over the network, without a database.

A `plan.ProbePlan` says what to ask.  `probe.MirrorProbe` asks for a file that never existed, as a server
that has everything proves nothing; then for the index of each part, the Release file of each suite
(`suites`), the files that tell how fresh a part is, samples of the pool, and the indices whose turn it is
(`release_indexes`).  `parts` judges from that how far each part is behind.  All of it goes into a
`plan.ProbeReport`, what is wrong as a `Finding`, and `verdict.judge` says what the report means for the
mirror.

`transport.fetcher.Fetcher` makes the requests, HTTP and FTP: an `Answer`, or a ProbeFailed.
`transport.throttle` limits the connections, overall and to one host; `control` asks other servers when a
mirror is silent.
"""

from dataclasses import dataclass, field
from datetime import datetime
from ipaddress import IPv4Network, IPv6Network

from librarian.interfaces import LibrarianError
from librarian.mirrors.enums import FindingKind


@dataclass(frozen=True, slots=True)
class ProberSettings:
    """The limits of the prober's requests, and the addresses it may connect to."""

    parallel: int = 100  # requests under way at once
    parallel_per_host: int = 2
    timeout_seconds: float = 30.0  # of one request; a redirect starts anew
    max_redirects: int = 3
    skip_after_requests: int = 30  # a host is judged once it was asked this often ...
    skip_below_ratio: int = 3  # ... and left alone when fewer than one answer in so many requests came
    user_agent: str = "librarian mirror prober"
    allowed_networks: tuple[IPv4Network | IPv6Network, ...] = ()  # beyond the public Internet
    proxy: str | None = None  # the only proxy ever used; the environment's are not looked at
    ca_file: str | None = None  # PEM; None: the system's certificate authorities
    max_body_bytes: int = 8 * 1024 * 1024
    certificate_warning_days: int = 14
    keyring: str | None = None  # of the archive's signing keys; None: signatures are not checked


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer of status 200 (or its like by FTP), after any redirects."""

    url: str  # the last one asked
    size: int | None  # bytes; None if the server does not say
    seconds: float
    body: bytes = b""  # empty for HEAD, and for a file that was only hashed
    sha256: str = ""  # hex, of the body; empty for HEAD
    address: str = ""  # of the peer
    certificate_expires: datetime | None = None


class ProbeFailed(LibrarianError):
    """A request to a mirror had no good answer.  `kind` is that of the finding, `url` the one asked for."""

    kind = FindingKind.UNREACHABLE

    def __init__(self, url: str, message: str) -> None:
        super().__init__(message)
        self.url = url


class ProberTimeout(ProbeFailed, TimeoutError):
    """No complete answer within `ProberSettings.timeout_seconds`."""

    kind = FindingKind.TIMEOUT

    def __init__(self, url: str, method: str, seconds: float) -> None:
        super().__init__(url, f"{method} request on {url} took longer than {seconds:g} seconds")
        self.seconds = seconds


class ConnectionFailed(ProbeFailed, OSError):
    """No connection, one that broke, or an answer that is not HTTP."""


class BadResponseCode(ProbeFailed):
    """An answer other than 200.  `status` is the HTTP status, or the FTP reply code."""

    kind = FindingKind.MISSING

    def __init__(self, url: str, status: int) -> None:
        super().__init__(url, f"{url} answered {status}")
        self.status = status


def proves_absence(error: ProbeFailed) -> bool:
    """Whether the answer means that the file is absent (404, 410, 403, 451; by FTP 550, 553).

    Other statuses, such as 503 and 429, tell of the server and not of the file.
    """
    if not isinstance(error, BadResponseCode):
        return isinstance(error, RedirectToDifferentFile)
    gone = (550, 553) if error.url.startswith("ftp:") else (403, 404, 410, 451)
    return error.status in gone


class BodyTooLarge(ProbeFailed):
    """The body is longer than the archive lists, or than `ProberSettings.max_body_bytes`."""

    kind = FindingKind.SIZE_DIFFERS


class UnknownURLScheme(ProbeFailed, ValueError):
    """The URL is not one of http, https or ftp."""


class InfiniteLoopDetected(ProbeFailed):
    """More redirects than `ProberSettings.max_redirects`."""

    kind = FindingKind.REDIRECT_LOOP


class RedirectToDifferentFile(ProbeFailed):
    """The redirect leads to a file of another name, such as an error page."""

    kind = FindingKind.REDIRECTED_ELSEWHERE

    def __init__(self, url: str, location: str) -> None:
        super().__init__(url, f"{url} redirects to a different file: {location}")
        self.location = location


class ConnectionSkipped(ProbeFailed):
    """Too many requests to the host timed out in this run; the next run asks again."""

    kind = FindingKind.SKIPPED

    def __init__(self, url: str) -> None:
        super().__init__(
            url,
            "Connection skipped because of too many timeouts on this host. "
            "It will be retried on the next probing run.",
        )


class InvalidCertificate(ProbeFailed):
    """The server's certificate is not valid: self-signed, expired, or for another name."""

    kind = FindingKind.CERTIFICATE


class AddressRefused(ProbeFailed, PermissionError):
    """The name resolves to an address that is not public and not in `ProberSettings.allowed_networks`."""

    kind = FindingKind.ADDRESS_REFUSED


@dataclass(frozen=True, slots=True)
class Finding:
    """Something wrong that one probe found with a mirror; equal if kind and URL are."""

    kind: FindingKind
    url: str
    message: str = field(compare=False)
