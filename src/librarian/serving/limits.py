"""Limits of a server; the number of connections follows from the descriptors that the process may open.

A connection has a descriptor, and two more while a file is sent (the file, and the socket once more).
"""

import logging
import resource
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from librarian.interfaces import SettingsError
from librarian.log_filters import Rarely

log = logging.getLogger(__name__)
log.addFilter(Rarely())

EACH = 3  # descriptors
BESIDE_CONNECTIONS = 100  # descriptors: of the listeners, the tree, the logs, and what the threads work with
FEWEST = 8  # connections that are let in whatever the limit of descriptors is


@dataclass(frozen=True)
class Limits:
    """The limits of a server."""

    threads: int = 4  # of the application
    connection_limit: int = 2000
    timeout_seconds: float = 120.0  # without a byte in either direction
    head_seconds: float = 60.0  # from the first byte of a head to its last
    grace_seconds: float = 60.0  # for what is running at the end; systemd, for one, kills after 90


def allow_descriptors(connections: int) -> int:
    """Raise the soft limit, which is 1024 for most, to what so many connections need, or as far as may
    be; how many connections there can be then, `connections` at most."""
    wanted = EACH * connections + BESIDE_CONNECTIONS
    obtained = _raise_limit(wanted)
    allowed = max((min(obtained, wanted) - BESIDE_CONNECTIONS) // EACH, FEWEST)
    if allowed < connections:
        log.warning("fewer connections than wanted descriptors=%d connections=%d", obtained, allowed)
    return allowed


def _raise_limit(wanted: int) -> int:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return wanted
    higher = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (higher, hard))
    except (OSError, ValueError) as error:
        log.warning("limit of descriptors stays soft=%d error=%s", soft, error)
        return soft
    return higher


def limits_of(options: Mapping[str, Any]) -> Limits:
    """The limits that the options of an ini file's ``[server:main]`` set.  Raises SettingsError."""
    known: dict[str, Callable[[Any], Any]] = {name: type(value) for name, value in asdict(Limits()).items()}
    found: dict[str, Any] = {}
    for name, value in options.items():
        if name not in known:
            raise SettingsError(f"[server:main] {name}", f"is no option; there are {', '.join(known)}")
        try:
            found[name] = known[name](value)
        except ValueError:
            raise SettingsError(f"[server:main] {name}", f"{value!r} is not a number") from None
    limits = Limits(**found)
    return replace(limits, connection_limit=allow_descriptors(limits.connection_limit))
