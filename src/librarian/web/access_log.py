"""The access log: a line for each request, when its answer is sent.

A WSGI middleware, because only outside of everything else it is known how much of a body went out.
The lines are in the Combined Log Format of Apache's mod_log_config, with the seconds the answer
took behind them, or JSON.  Tokens in URLs never get into it.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from io import SEEK_END
from time import perf_counter
from typing import Any, BinaryIO, NamedTuple
from urllib.parse import quote

from zope.component import getUtility
from zope.interface import provider

from librarian.interfaces import IClock, ISettings, ISettingsSection, SettingsError
from librarian.settings import Section
from librarian.web.log_file import LogFile

MASKED = "***"
_ALPHABET = "0-9bcdfghjklmnpqrstvwxzBCDFGHJKLMNPQRSTVWXZ"  # of our tokens: library/tokens.py
_ENCODED = "%(?:25)*"  # a percent sign, encoded as often as you like


def _either(letter: str) -> str:
    codes = "|".join(f"{ord(each):02x}" for each in {letter, letter.upper()})
    return f"(?:{letter}|{_ENCODED}(?:{codes}))"


# What parts a path from parameters, if only in the eyes of whoever wrote it.
_BEYOND_PATH = re.compile(f"[?&;#]|{_ENCODED}(?:3f|26|3b|23)", re.IGNORECASE)
# A name that ends in "token", or any value that could be a token of ours, up to what ends a parameter;
# letters and signs may be percent-encoded.  What lies behind an encoded "&" is masked along.
_SECRET = re.compile(
    f"({''.join(map(_either, 'token'))}(?:[+ ]|{_ENCODED}20)*{_either('=')})[^&;#]*"
    f"|(?<=[=?&;#])[{_ALPHABET}]{{32}}(?![0-9A-Za-z])",
    re.IGNORECASE,
)
_UNSAFE = re.compile(r'[^ -~]|["\\]')
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


@provider(ISettingsSection)
@dataclass(frozen=True)
class AccessLogSettings(Section):
    """Where requests are written down."""

    access_log: str = ""  # a file; empty: nowhere
    access_log_format: str = "combined"  # or json

    def __post_init__(self) -> None:
        if self.access_log_format not in FORMATS:
            raise SettingsError(self.key("access_log_format"), "is combined or json")


class Entry(NamedTuple):
    """What is written of a request; texts as the client sent them, tokens masked."""

    client: str  # address
    time: datetime  # when the answer was sent, aware
    method: str
    target: str  # path and query
    protocol: str
    status: int
    size: int  # bytes of the body that were sent
    referer: str
    agent: str
    seconds: float  # from the request's arrival to the end of its answer


def combined(entry: Entry) -> str:
    """A line in Apache's Combined Log Format; what could break it is written as ``\\xHH``."""
    request = f"{entry.method} {entry.target} {entry.protocol}"
    return (
        f'{entry.client or "-"} - - [{_stamp(int(entry.time.timestamp()))}] "{_safe(request)}"'
        f' {entry.status} {entry.size} "{_safe(entry.referer or "-")}" "{_safe(entry.agent or "-")}"'
        f" {entry.seconds:.3f}\n"
    )


def as_json(entry: Entry) -> str:
    """A line of JSON; the time as RFC 3339 has it."""
    facts = entry._asdict() | {"time": entry.time.isoformat(), "seconds": round(entry.seconds, 3)}
    return json.dumps(facts, separators=(",", ":")) + "\n"


FORMATS: dict[str, Callable[[Entry], str]] = {"combined": combined, "json": as_json}


@lru_cache(maxsize=16)
def _stamp(seconds: int) -> str:
    moment = datetime.fromtimestamp(seconds, UTC)
    return f"{moment:%d}/{_MONTHS[moment.month - 1]}/{moment:%Y:%H:%M:%S} +0000"  # %b would be local


def _safe(text: str) -> str:
    return _UNSAFE.sub(lambda found: f"\\x{ord(found[0]) & 0xFF:02X}", text)


def masked(url: str) -> str:
    """`url` with the values of all parameters whose names end in ``token``, and whatever could be a
    token of ours, replaced: wherever they stand, since what is malformed is logged too."""
    begins = _BEYOND_PATH.search(url)
    if begins is None:
        return url
    start = begins.start()
    return url[:start] + _SECRET.sub(lambda found: f"{found[1] or ''}{MASKED}", url[start:])


class AccessLogged:
    """The application, with every request written down."""

    def __init__(self, application: Any, log: LogFile, write: Callable[[Entry], str]) -> None:
        self.registry = application.registry
        self.log = log
        self._application = application
        self._format = write
        self._clock = getUtility(IClock)

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        answer = _Answer(environ, self._write)

        def begin(status: str, headers: Any, *exc_info: Any) -> Any:
            answer.status = int(status[:3])
            return start_response(status, headers, *exc_info)

        if "wsgi.file_wrapper" in environ:
            environ["wsgi.file_wrapper"] = answer.file_wrapper(environ["wsgi.file_wrapper"])
        try:
            body: Iterable[bytes] = self._application(environ, begin)
        except BaseException:
            answer.status = 500
            answer.end()
            raise
        return answer.counted(body)

    def reopen(self, *signal: Any) -> None:
        """Have the next line go to a new file, if the old one was moved; a signal handler."""
        self.log.reopen()

    def _write(self, environ: dict[str, Any], status: int, size: int, seconds: float) -> None:
        entry = Entry(
            # As the application has left it: a trusted front end's word on who the client is counts.
            client=environ.get("REMOTE_ADDR", ""),
            time=self._clock.now(),
            method=environ["REQUEST_METHOD"],
            target=masked(_target(environ)),
            protocol=environ.get("SERVER_PROTOCOL", ""),
            status=status,
            size=size,
            referer=masked(environ.get("HTTP_REFERER", "")),
            agent=environ.get("HTTP_USER_AGENT", ""),
            seconds=seconds,
        )
        self.log.write(self._format(entry).encode("ascii", "backslashreplace"))


def _target(environ: dict[str, Any]) -> str:
    """What was asked for, as it was spelled, if the server tells."""
    stated: str | None = environ.get("REQUEST_URI")
    if stated is not None:
        return stated
    path = environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")
    query = environ.get("QUERY_STRING", "")
    return quote(path.encode("latin-1", "replace"), safe="/~+:@!$&'()*,;=") + (query and f"?{query}")


class _Answer:
    """How much of one answer was sent; end() writes it down, once."""

    def __init__(
        self, environ: dict[str, Any], write: Callable[[dict[str, Any], int, int, float], None]
    ) -> None:
        self.status = 0
        self.size = 0
        self._environ = environ
        self._write = write
        self._begun = perf_counter()
        self._wrapped: Any = None
        self._ended = False

    def file_wrapper(self, wrapper: Callable[..., Any]) -> Callable[..., Any]:
        """A server's wrapper, around a file that tells when the server lets go of it."""

        def wrap(file: BinaryIO, *block_size: int) -> Any:
            self._wrapped = wrapper(_CountedFile(file, self), *block_size)
            return self._wrapped

        return wrap

    def counted(self, body: Iterable[bytes]) -> Iterable[bytes]:
        """The body to give to the server."""
        if body is self._wrapped:
            return body  # servers know their own wrapper by its class
        if isinstance(body, list | tuple):
            # All of it is in memory; what the server holds back now is of no consequence.
            self.size = sum(map(len, body))
            self.end()
            return body
        return _CountedBody(body, self)

    def end(self) -> None:
        if not self._ended:
            self._ended = True
            self._write(self._environ, self.status, self.size, perf_counter() - self._begun)


class _CountedBody:
    """A body that comes in blocks."""

    def __init__(self, body: Iterable[bytes], answer: _Answer) -> None:
        self._body = body
        self._answer = answer

    def __iter__(self) -> Iterator[bytes]:
        for block in self._body:
            yield block
            # Asked for the next one, so that this one is gone.
            self._answer.size += len(block)

    def close(self) -> None:
        try:
            if hasattr(self._body, "close"):
                self._body.close()
        finally:
            self._answer.end()


class _CountedFile:
    """A file in a server's wrapper.  Its position says how much of it was sent: ours, like waitress,
    moves it by what the socket has taken.  A server that works with the descriptor alone, and never
    asks for the position, is believed to have sent everything."""

    def __init__(self, file: BinaryIO, answer: _Answer) -> None:
        self._file = file
        self._answer = answer
        self._start = file.tell()
        self._by_position = False
        self._closed = False

    def close(self) -> None:
        """Once is enough: where the client has gone, both the connection and the task close it."""
        if self._closed:
            return
        self._closed = True
        try:
            end = self._file.tell() if self._by_position else self._file.seek(0, SEEK_END)
            self._answer.size = end - self._start
        finally:
            self._file.close()
            self._answer.end()

    def __getattr__(self, name: str) -> Any:
        self._by_position |= name in ("read", "seek", "tell")
        return getattr(self._file, name)


def with_access_log(application: Any) -> Any:
    """`application`, logged to where the settings say; itself, if that is nowhere."""
    settings = getUtility(ISettings).section(AccessLogSettings)
    if not settings.access_log:
        return application
    try:
        log = LogFile(settings.access_log)
    except OSError as error:
        raise SettingsError(settings.key("access_log"), str(error)) from error
    return AccessLogged(application, log, FORMATS[settings.access_log_format])
