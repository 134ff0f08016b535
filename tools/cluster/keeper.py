"""A process in the background that has started the parts, starts again those that die, and ends all."""

import fcntl
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tools.cluster.cluster import Cluster
from tools.cluster.layout import CHECKOUT, NoCluster, chosen_layout

LOOK_SECONDS = 0.5
PAUSE_SECONDS = 2.0  # between two starts of a part that does not stay up
STOP_SECONDS = 120.0


def keep(folder: Path, any_port: bool) -> None:
    """Start a cluster and stay until SIGTERM or Ctrl-C.  Raises NoCluster; nothing runs then."""
    os.environ.pop("PYTHONPATH", None)  # by which this Python has its packages; Swift runs on another one
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    with locked(folder):
        end_leftovers(folder)
        cluster = Cluster(chosen_layout(folder, any_port))
        try:
            cluster.start()
            (folder / "starting").write_text(described(cluster))
            (folder / "starting").rename(folder / "started")
            tend(cluster, ended)
        finally:
            (folder / "started").unlink(missing_ok=True)
            cluster.stop()


def tend(cluster: Cluster, ended: threading.Event) -> None:
    """Start again what dies, until `ended`."""
    started = 0.0
    while not ended.wait(LOOK_SECONDS):
        if time.monotonic() - started > PAUSE_SECONDS and (names := cluster.mend()):
            started = time.monotonic()
            print(f"started again: {', '.join(names)}", flush=True)


def start(folder: Path, any_port: bool) -> str:
    """Have a keeper in the background, and return what it has to say.  Raises NoCluster."""
    folder.mkdir(parents=True, exist_ok=True)
    started = folder / "started"
    if is_kept(folder):
        keeper = None
    else:
        started.unlink(missing_ok=True)  # of one that was killed
        keeper = spawn(folder, any_port)
    while not started.exists():
        ended = not is_kept(folder) if keeper is None else keeper.poll() is not None
        if ended:
            lines = (folder / "keeper.log").read_text().strip().splitlines() or ["it ended"]
            raise NoCluster(lines[-1].removeprefix("cluster: "))
        time.sleep(0.05)
    return started.read_text()


def spawn(folder: Path, any_port: bool) -> subprocess.Popen[bytes]:
    """Start a keeper; it tells a failure in the last line of its log."""
    words = ["--any-port"] if any_port else []
    with (folder / "keeper.log").open("wb") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "tools.cluster", "keep", str(folder), *words],
            cwd=CHECKOUT,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )


def stop(folder: Path) -> bool:
    """End the cluster of `folder`, also one whose keeper was killed; whether there was one."""
    running = is_kept(folder)
    if running:
        with suppress(ProcessLookupError):
            os.kill(int((folder / "keeper.pid").read_text()), signal.SIGTERM)
        end = time.monotonic() + STOP_SECONDS
        while is_kept(folder):
            if time.monotonic() > end:
                raise NoCluster(f"it does not end; see {folder}/keeper.log")
            time.sleep(0.05)
    return end_leftovers(folder) or running


def is_kept(folder: Path) -> bool:
    """Whether a keeper is there."""
    if not folder.exists():
        return False
    with (folder / "keeper.pid").open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Be the keeper of a folder.  Raises NoCluster where there is one."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "keeper.pid").open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise NoCluster("it is running") from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


def end_leftovers(folder: Path) -> bool:
    """End the parts of a keeper that was killed; whether there were any."""
    noted = folder / "processes.json"
    processes = json.loads(noted.read_text()) if noted.exists() else {}
    ours = {pid: name for name, pid in processes.items() if is_below(pid, folder)}
    for pid, name in ours.items():
        # To PostgreSQL the other signal means: wait until the last client has gone.
        os.kill(pid, signal.SIGINT if name == "postgresql" else signal.SIGTERM)
    end = time.monotonic() + STOP_SECONDS
    while any(is_below(pid, folder) for pid in ours) and time.monotonic() < end:
        time.sleep(0.05)
    noted.unlink(missing_ok=True)
    return bool(ours)


def is_below(pid: int, folder: Path) -> bool:
    """Whether a process runs in a folder of the cluster or names one in its command; ids are used again."""
    with suppress(OSError):
        process = Path(f"/proc/{pid}")
        words = (process / "cmdline").read_bytes()
        return (process / "cwd").readlink().is_relative_to(folder.resolve()) or bytes(folder) + b"/" in words
    return False


def described(cluster: Cluster) -> str:
    """The password and the URLs, a line each as `librarian serve` has them."""
    layout = cluster.layout
    told = {"admin password": cluster.admin_password, **dict(sorted(layout.urls.items()))}
    told |= {f"{node} ops": layout.node_urls(node)["ops"] for node in ("node1", "node2")}
    told |= {"store (S3)": f"{layout.store_url}/librarian", "database": layout.tree.partition("?")[0]}
    return "".join(f"{name:<18} {value}\n" for name, value in told.items()) + "ready\n"
