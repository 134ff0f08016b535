"""Where the parts of a cluster have their files, and the ports at which they listen."""

import json
import random
import socket
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
NODES = ("node1", "node2")
#: The endpoints that nginx shows, at the ports that README has them at.
SHOWN = {
    "app": 6543,
    "public": 8000,
    "upload": 9090,
    "restricted": 8005,
    "restricted-upload": 9095,
    "tracker": 9999,
}
ENDPOINTS = {**SHOWN, "ops": 9191}
OTHERS = {
    "postgresql": 15432,
    "memcached": 11311,
    "account": 16202,
    "container": 16201,
    "object": 16200,
    "proxy": 18080,
}
WAIT_SECONDS = 3.0  # for ports
#: The kernel gives none of these to programs that ask for any port (ip_local_port_range on Linux).
FREE = range(10_000, 32_768)


class NoCluster(Exception):
    """A cluster cannot be started; the message is one line for the person who asked."""


def default_ports() -> dict[str, int]:
    """The documented port of each part; ``node1/upload`` is that of an endpoint of a node."""
    nodes = {
        f"{node}/{name}": port + 10_000 * number
        for number, node in enumerate(NODES, 1)
        for name, port in ENDPOINTS.items()
    }
    return {**SHOWN, **nodes, **OTHERS}


def free_ports() -> dict[str, int]:
    """Any ports at which nothing listens now."""
    names, found = list(default_ports()), set[int]()
    while len(found) < len(names):
        port = random.choice(FREE)  # noqa: S311  # no secret
        if is_free(port):
            found.add(port)
    return dict(zip(names, sorted(found), strict=True))


def is_free(port: int) -> bool:
    """Whether a server could listen there."""
    with suppress(OSError), socket.create_server(("127.0.0.1", port)):
        return True
    return False


@dataclass(frozen=True)
class Layout:
    """One cluster.  `store_port` is where the nodes find the store, if a relay is before it."""

    folder: Path
    ports: dict[str, int] = field(default_factory=default_ports)
    database_uri: str = ""  # of another database than the cluster's PostgreSQL, which is left out then
    store_port: int = 0
    workers: int = 2

    @property
    def urls(self) -> dict[str, str]:
        """The URLs of the endpoints at nginx."""
        return {name: f"http://127.0.0.1:{self.ports[name]}/" for name in SHOWN}

    def node_urls(self, node: str) -> dict[str, str]:
        """The URLs of the endpoints of one node."""
        return {name: f"http://127.0.0.1:{self.ports[f'{node}/{name}']}/" for name in ENDPOINTS}

    @property
    def store_url(self) -> str:
        """The endpoint of the object store, as the nodes know it."""
        return f"http://127.0.0.1:{self.store_port or self.ports['proxy']}"

    @property
    def tree(self) -> str:
        """The URI of the database."""
        options = "driver=psycopg2&keep_history=false&cache_local_mb=16&connection_pool_size=16"
        place = f"127.0.0.1:{self.ports['postgresql']}/librarian"
        return self.database_uri or f"postgres://librarian@{place}?{options}"

    def new_folder(self, name: str) -> Path:
        """The folder of a part, made if it is missing."""
        path = self.folder / name
        path.mkdir(mode=0o700, exist_ok=True)
        return path


def chosen_layout(folder: Path, any_port: bool) -> Layout:
    """That of the cluster in `folder`, which keeps its ports; of a new one with default ports, or free ones.

    Raises NoCluster if a port is taken.
    """
    written = folder / "ports.json"
    ports = json.loads(written.read_text()) if written.exists() else default_ports()
    taken = _taken(ports)
    if any_port and (taken or not written.exists()):
        ports, taken = free_ports(), []
    if taken:
        raise NoCluster(f"ports are in use: {', '.join(taken)}; make cluster PORT=0 takes free ones")
    folder.mkdir(parents=True, exist_ok=True)
    written.write_text(json.dumps(ports, indent=1))
    return Layout(folder, ports)


def _taken(ports: dict[str, int]) -> list[str]:
    """Those in use, also after a while: connections of a cluster that has just ended may hold some."""
    end = time.monotonic() + WAIT_SECONDS
    while True:
        taken = [f"{port} ({name})" for name, port in ports.items() if not is_free(port)]
        if not taken or time.monotonic() > end:
            return taken
        time.sleep(0.2)
