"""A partner's FTP server and how to treat it; read from an ini file or built by hand."""

import configparser
import hashlib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from zope.interface import provider

from librarian.interfaces import ISettingsSection
from librarian.quantities import parse_duration, parse_size
from librarian.settings import Section
from librarian.spool.interfaces import BadTarget, Kind


@provider(ISettingsSection)
@dataclass(frozen=True)
class SpoolSettings(Section):
    """The ini file that describes the installation's partners."""

    prefix = "spool"
    targets_file: str = ""  # an ini file with sections [export:NAME] and [import:NAME]; empty: no partners


Tls = Literal["no", "explicit", "implicit"]
Verify = Literal["digest", "size"]


@dataclass(frozen=True, slots=True)
class Target:
    """The place a spool's files go to, or come from.  Times are seconds, sizes bytes."""

    store_dir: Path
    host: str
    port: int = 21
    user: str = "anonymous"
    password: str = field(default="", repr=False)
    path: str = "/"  # the directory on the server
    tls: Tls = "no"  # RFC 4217, section 4: AUTH TLS, or TLS from the first byte
    ca_file: Path | None = None  # trusted instead of the system's authorities
    timeout: float = 60
    tries: int = 4  # for each file, counted anew whenever some of it has gone over
    connect_tries: int = 1
    backoff: float = 1  # before the second try, doubled for each further one
    backoff_limit: float = 60
    bandwidth: int | None = None  # bytes a second
    lock_wait: float = 0  # how long to wait for another program to remove its lock
    lock_settle: float = 1  # before a lock written with STOR is read back
    break_lock_after: float | None = None  # age at which the lock of another program is removed; None: never
    verify: Verify = "digest"  # by size and, where the server offers one, digest; or by size alone
    keep: float | None = None  # how long `cur` keeps a file; None: for ever

    def __post_init__(self) -> None:
        if self.tls not in get_args(Tls):
            raise BadTarget(f"tls is {self.tls!r}, but must be no, explicit or implicit")
        if self.verify not in get_args(Verify):
            raise BadTarget(f"verify is {self.verify!r}, but must be digest or size")
        if not self.host or any(char in self.host + self.user + self.password + self.path for char in "\r\n"):
            raise BadTarget("host is missing, or there is a line break in host, user, password or path")
        if not 0 < self.port < 65536:
            raise BadTarget(f"port is {self.port}, but must be from 1 to 65535")
        if self.tries < 1 or self.connect_tries < 1:
            raise BadTarget("tries and connect_tries must be at least 1")
        if self.timeout <= 0 or (self.bandwidth is not None and self.bandwidth <= 0):
            raise BadTarget("timeout and bandwidth must be more than 0")

    @property
    def key(self) -> str:
        """A file name that differs for every partner, with a readable beginning."""
        address = f"{self.user}@{self.host}:{self.port}{self.path}"
        readable = "".join(char if char.isalnum() else "-" for char in self.host)[:40]
        return f"{readable}-{hashlib.sha256(address.encode()).hexdigest()[:12]}"


def read_targets(
    ini: Path, kind: Kind, environ: Mapping[str, str] = os.environ, *, passwords: bool = True
) -> dict[str, Target]:
    """The targets of an ini file by name, from its sections `[export:NAME]` or `[import:NAME]`.

    What `[DEFAULT]` says can be used as `%(name)s`, and `%(here)s` is the folder of the file.  Times
    are seconds, or `90s`, `15m`, `24h`, `7d`; `bandwidth` is bytes, or `500k`, `2M`, of a thousand.
    A password comes from the file that `password_file` names or the environment variable that
    `password_env` names; one in the ini itself is refused, as settings get shown and shared.  Two
    targets of a kind with one spool are refused: the first to export would leave nothing for the
    second.  Without `passwords` they are not read, and left empty.  Raises BadTarget.
    """
    sections = _sections(ini, f"{kind}:")
    password = _password if passwords else _no_password
    targets = {name: _target(f"{kind}:{name}", items, environ, password) for name, items in sections.items()}
    _refuse_shared_spools(targets)
    return targets


def _sections(ini: Path, prefix: str) -> dict[str, dict[str, str]]:
    """The settings of each section whose name begins with `prefix`, by the rest of the name."""
    places = {"here": str(ini.absolute().parent), "__file__": str(ini.absolute())}  # as PasteDeploy has them
    parser = configparser.ConfigParser(defaults=places)
    try:
        with ini.open(encoding="utf-8") as lines:
            parser.read_file(lines)
        shared = parser.defaults()
        return {
            name.removeprefix(prefix): {key: text for key, text in parser[name].items() if key not in shared}
            for name in parser.sections()
            if name.startswith(prefix)
        }
    except (OSError, configparser.Error, UnicodeDecodeError) as error:
        raise BadTarget(f"cannot read {ini}: {' '.join(str(error).split())}") from error


def read_password(path: Path) -> str:
    """The first line of a file, without its line break.  Raises BadTarget."""
    try:
        return path.read_text("utf-8").split("\n", 1)[0].removesuffix("\r")
    except (OSError, UnicodeDecodeError) as error:
        raise BadTarget(f"cannot read the password file {path}: {error}") from error


def as_seconds(text: str) -> float:
    """`90`, `90s`, `15m`, `24h` or `7d`."""
    return parse_duration(text).total_seconds()


NEEDED = ("store_dir", "host")

_READERS: dict[str, Callable[[str], Any]] = {
    "store_dir": Path,
    "ca_file": Path,
    "port": int,
    "tries": int,
    "connect_tries": int,
    "bandwidth": parse_size,
    **dict.fromkeys(("timeout", "backoff", "backoff_limit", "lock_wait", "lock_settle"), as_seconds),
    **dict.fromkeys(("break_lock_after", "keep"), as_seconds),
    **dict.fromkeys(("host", "user", "path", "tls", "verify"), str),
}


Password = Callable[[dict[str, str], Mapping[str, str]], str]


def _target(
    section: str, items: dict[str, str], environ: Mapping[str, str], find_password: Password
) -> Target:
    if "password" in items:
        raise BadTarget(f"[{section}] has a password; give password_file or password_env instead")
    try:
        password = find_password(items, environ)
        values = {name: _read(name, text) for name, text in items.items()}
        if lacking := [name for name in NEEDED if name not in values]:
            raise BadTarget(f"lacks {' and '.join(lacking)}")
        return Target(**values, password=password)
    except ValueError as error:
        raise BadTarget(f"[{section}] {error}") from error


def _read(name: str, text: str) -> Any:
    if name not in _READERS:
        raise BadTarget(f"has an unknown setting {name!r}")
    if _READERS[name] is int and not text.isdecimal():
        raise BadTarget(f"{name} is {text!r}, but must be a whole number")
    try:
        return _READERS[name](text)
    except ValueError as error:
        raise BadTarget(f"{name}: {error}") from error


def _password(items: dict[str, str], environ: Mapping[str, str]) -> str:
    """Remove `password_file` and `password_env` from `items`; the password that they name."""
    file, variable = items.pop("password_file", None), items.pop("password_env", None)
    if file is not None:
        return read_password(Path(file))
    if variable is None:
        return ""
    if variable not in environ:
        raise BadTarget(f"the environment has no {variable}")
    return environ[variable]


def _no_password(items: dict[str, str], environ: Mapping[str, str]) -> str:
    """Remove the same from `items`; an empty password."""
    items.pop("password_file", None)
    items.pop("password_env", None)
    return ""


def _refuse_shared_spools(targets: Mapping[str, Target]) -> None:
    seen: dict[Path, str] = {}
    for name, target in targets.items():
        spool = target.store_dir.resolve()
        if spool in seen:
            raise BadTarget(f"{seen[spool]} and {name} share the spool {spool}; give each its own")
        seen[spool] = name
