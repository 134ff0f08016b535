"""The address of a store: ``s3://bucket/prefix?endpoint=https://...&region=...``."""

from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from librarian.interfaces import SettingsError
from librarian.quantities import parse_duration, parse_size

SETTING = "librarian.byte_store"
SCHEME = "s3://"
SMALLEST_PART, LARGEST_PART = 5 << 20, 5 << 30  # bytes; what S3 allows


@dataclass(frozen=True)
class S3Address:
    """A bucket, a prefix of all keys in it (empty, or ending in a slash), and how to get there.

    Credentials are no part of it: boto3 finds them in the environment, its files, or the machine's role.
    """

    bucket: str
    prefix: str = ""
    endpoint: str = ""  # empty: Amazon's, for the region
    region: str = "us-east-1"
    style: str = "path"  # path, virtual or auto: whether the bucket is in the path or in the host's name
    folder: Path = Path("var/s3")  # on this machine, for bytes on their way
    part_size: int = 64 << 20  # bytes; larger files are sent in parts of this size
    parallel: int = 4  # parts of one file that are sent at a time
    connections: int = 32
    timeout: float = 5.0  # seconds without a byte
    slowest: int = 20_000  # bytes per second, below which an answer is given up
    ca_file: str = ""  # certificates to trust, in place of the system's

    def __str__(self) -> str:
        """The address without what is of one machine alone."""
        given = {name: getattr(self, name) for name in ("endpoint", "region", "style")}
        query = urlencode({name: value for name, value in given.items() if value}, safe=":/")
        return f"{SCHEME}{self.bucket}/{self.prefix.rstrip('/')}?{query}"


def parse_address(text: str) -> S3Address:
    """The address that a setting names.  Raises SettingsError, which shows no value of it."""
    try:
        return _parse(text.strip())
    except ValueError as error:
        raise SettingsError(SETTING, str(error)) from None


def _parse(text: str) -> S3Address:
    split = urlsplit(text)
    if "@" in split.netloc:
        raise ValueError("credentials do not belong here; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")
    if not split.netloc or ":" in split.netloc or split.fragment:
        raise ValueError("is not of the form s3://bucket/prefix?endpoint=https://...")
    path = split.path.strip("/")
    found: dict[str, Any] = {"bucket": split.netloc, "prefix": f"{path}/" if path else ""}
    for name, value in parse_qsl(split.query, keep_blank_values=True, strict_parsing=bool(split.query)):
        if name not in _OPTIONS:
            raise ValueError(f"no option {name!r}; there are {', '.join(sorted(_OPTIONS))}")
        if name in found:
            raise ValueError(f"option {name!r} twice")
        found[name] = _read(name, value)
    return S3Address(**found)


def _read(name: str, value: str) -> Any:
    try:
        return _OPTIONS[name](value)
    except ValueError as error:
        raise ValueError(f"option {name!r}: {error}") from None


def _endpoint(text: str) -> str:
    split = urlsplit(text)
    if split.scheme not in ("http", "https") or not split.netloc or "@" in split.netloc or split.query:
        raise ValueError("is not the URL of a server, such as https://s3.example.org")
    return text.rstrip("/")


def _style(text: str) -> str:
    if text not in ("path", "virtual", "auto"):
        raise ValueError(f"{text!r} is none of path, virtual, auto")
    return text


def _part_size(text: str) -> int:
    size = parse_size(text)
    if not SMALLEST_PART <= size <= LARGEST_PART:
        raise ValueError("a part has 5 MiB at least and 5 GiB at most")
    return size


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError(f"{number} is less than 1")
    return number


def _seconds(text: str) -> float:
    seconds = parse_duration(text).total_seconds()
    if seconds <= 0:
        raise ValueError("is no time to wait")
    return seconds


_OPTIONS: dict[str, Callable[[str], Any]] = {
    "endpoint": _endpoint,
    "region": str,
    "style": _style,
    "folder": Path,
    "part_size": _part_size,
    "parallel": _positive,
    "connections": _positive,
    "timeout": _seconds,
    "slowest": parse_size,
    "ca_file": str,
}
assert set(_OPTIONS) == {field.name for field in fields(S3Address)} - {"bucket", "prefix"}
