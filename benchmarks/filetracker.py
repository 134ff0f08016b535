"""filetracker-server 2.3.3 beside ours, where tools/peers.py --server could install it."""

import gzip
import hashlib
import os
import signal
import socket
import subprocess
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass
from email.utils import formatdate
from pathlib import Path
from typing import Any
from urllib.parse import quote

import urllib3

from benchmarks.load import put

PEER = Path("parts/filetracker-server/bin/filetracker-server")


@dataclass
class Contender:
    """A running server."""

    name: str
    url: str
    folder: Path
    process: Any
    turns: int = 0


def start_peer(stack: ExitStack) -> Contender | None:
    if not PEER.exists():
        return None
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="filetracker-")))
    with socket.socket() as probe:  # it has no way to say which free port it took
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environ = {**os.environ, "PATH": f"{PEER.parent.absolute()}:{os.environ['PATH']}"}
    environ.pop("PYTHONPATH", None)
    with (folder / "log").open("w") as log:
        command = [
            str(PEER),
            "-p",
            str(port),
            "-d",
            str(folder),
            "-D",
            "--workers",
            "1",
            "--log-level",
            "ERROR",
        ]
        process = subprocess.Popen(command, stdout=log, stderr=log, env=environ, start_new_session=True)
    stack.callback(process.wait)
    stack.callback(os.killpg, process.pid, signal.SIGTERM)
    url = f"http://127.0.0.1:{port}"
    for _attempt in range(100):
        try:
            urllib3.request("GET", f"{url}/version/", retries=False)
        except urllib3.exceptions.HTTPError:
            time.sleep(0.1)
        else:
            break
    return Contender("filetracker-server", url, folder, process)


def upload(path: str, data: bytes) -> bytes:
    """As the client of 2.3.3 sends a file: packed, with digest and size."""
    packed = gzip.compress(data, 6)
    fields = {
        "Content_Encoding": "gzip",
        "SHA256_Checksum": hashlib.sha256(data).hexdigest(),
        "Logical_Size": str(len(data)),
    }
    return put(f"/files/{path}?last_modified={quote(formatdate(1000))}", packed, **fields)
