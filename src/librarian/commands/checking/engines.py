"""Engines that are not on this machine: whether they answer, and whether clocks agree."""

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from importlib import import_module
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from librarian.commands.checking.findings import Finding, Installation, error, warning
from librarian.interfaces import SettingsError, one_line
from librarian.store.moving.settings import MovingSettings
from librarian.store.s3.address import SCHEME, parse_address
from librarian.store.settings import StoreSettings
from librarian.tree.engines.sharing import socket_address
from librarian.tree.opening import data_file, masked
from librarian.tree.settings import TreeSettings

SECONDS = 5  # for an answer
APART_SECONDS = 5.0  # between two clocks, as librarian.operations.clocks has it
ZEO_PORT = 9991


def check_engines(at: Installation) -> Iterator[Finding]:
    """Findings on the database and on the byte stores, where they are elsewhere."""
    if TreeSettings not in at.refused:
        yield from _check_tree(at.settings.section(TreeSettings).database_uri.strip())
    for kind, name in ((StoreSettings, "byte_store"), (MovingSettings, "byte_store_before")):
        place = "" if kind in at.refused else str(getattr(at.settings.section(kind), name)).strip()
        if place.startswith(SCHEME):
            yield from _answers(kind.key(name), place, partial(_ask_bucket, place))


def is_served(uri: str) -> bool:
    """Whether a process of this machine serves a tree in a file."""
    if not uri.startswith("file://"):
        return False
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(SECONDS)
        try:
            probe.connect(socket_address(data_file(uri).absolute()))
        except OSError:
            return False
    return True


def _check_tree(uri: str) -> Iterator[Finding]:
    what, scheme = TreeSettings.key("database_uri"), uri.partition("://")[0]
    if scheme in ("postgres", "postgresql"):
        before: list[float] = []
        yield from _answers(what, uri, lambda: before.extend(_ask_postgres(uri)))
        yield from _compared(before)
    elif scheme == "zeo":
        yield from _answers(what, uri, lambda: _ask_zeo(uri))
    elif scheme not in ("file", "zconfig", "memory"):
        yield error(what, f"there is no engine {scheme!r}; there are file, zeo, postgres and zconfig")


def _answers(what: str, uri: str, ask: Callable[[], object]) -> Iterator[Finding]:
    try:
        ask()
    except SettingsError as refused:
        yield error(refused.key, refused.why)
    except ModuleNotFoundError as missing:
        extra = {"psycopg2": "postgres", "boto3": "s3", "botocore": "s3"}.get(str(missing.name), "")
        advice = f"; `pip install librarian[{extra}]` installs it" if extra else ""
        yield error(what, f"needs {missing.name}, which is not installed{advice}")
    except Exception as failed:  # noqa: BLE001  # whatever a driver raises
        yield error(what, f"does not answer: {masked(one_line(failed), uri)}")


def _ask_postgres(uri: str) -> tuple[float, float, float]:
    """This machine's time before, the server's, and this machine's after; seconds since 1970."""
    psycopg2: Any = import_module("psycopg2")
    dsn = urlunsplit(urlsplit(uri)._replace(query=""))
    with closing(psycopg2.connect(dsn, connect_timeout=SECONDS)) as connection:
        cursor = connection.cursor()
        before = time.time()
        cursor.execute("SELECT extract(epoch FROM clock_timestamp())")
        return before, float(cursor.fetchone()[0]), time.time()


def _compared(times: list[float]) -> Iterator[Finding]:
    """Nothing, or a warning that the clock of this machine is not that of the database."""
    if len(times) == 3:
        before, theirs, after = times
        ahead = before - theirs if before > theirs else min(after - theirs, 0.0)
        if abs(ahead) >= APART_SECONDS:
            direction = "ahead of" if ahead > 0 else "behind"
            yield warning("clock", f"{abs(ahead):.0f} s {direction} the database's; see to NTP on this node")


def _ask_zeo(uri: str) -> None:
    parts = urlsplit(uri)
    for place in parts.netloc.split(",") if parts.netloc else [""]:
        split = urlsplit(f"//{place}")
        if place:
            probe = socket.create_connection((split.hostname or "", split.port or ZEO_PORT), SECONDS)
        else:
            probe = socket.socket(socket.AF_UNIX)
        with probe:
            probe.settimeout(SECONDS)
            if not place:
                probe.connect(parts.path)
            if not probe.recv(64):  # its server speaks first
                raise ConnectionError(f"{place or parts.path} is no ZEO server")


def _ask_bucket(place: str) -> None:
    address = parse_address(place)
    client = import_module("librarian.store.s3.client").make_client(address)
    client.head_bucket(Bucket=address.bucket)
