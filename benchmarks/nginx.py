"""nginx with static files, for comparison, where it is installed."""

import shutil
import socket
import subprocess
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import urllib3

NGINX_CONF = """\
daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{ worker_connections 256; }}
http {{
  access_log off; sendfile on; tcp_nopush on; default_type application/octet-stream;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi; keepalive_requests 1000000;
  server {{ listen 127.0.0.1:{port}; root {folder}/files; }}
}}
"""


@dataclass
class Peer:
    """A server that is running, and how a file is put into it."""

    url: str
    add: Callable[[bytes], str]  # bytes -> the path they are downloaded from


def free_port() -> int:
    """A port that is free now; nginx cannot say which one it took."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_for(url: str) -> None:
    for _attempt in range(100):
        try:
            urllib3.request("GET", url, retries=False)
        except urllib3.exceptions.HTTPError:
            time.sleep(0.1)
        else:
            return
    raise TimeoutError(url)


def start_nginx(stack: ExitStack, folder: Path) -> Peer | None:
    """Static files by sendfile, one worker."""
    program = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    if program is None:
        return None
    files, port = folder / "files", free_port()
    files.mkdir(mode=0o755)
    (folder / "nginx.conf").write_text(NGINX_CONF.format(folder=folder, port=port))
    process = subprocess.Popen([program, "-c", str(folder / "nginx.conf"), "-e", str(folder / "error.log")])
    stack.callback(process.wait)
    stack.callback(process.terminate)
    wait_for(f"http://127.0.0.1:{port}/")

    def add(data: bytes) -> str:
        path = files / str(len(data))
        path.write_bytes(data)
        path.chmod(0o644)
        return f"/{path.name}"

    return Peer(f"http://127.0.0.1:{port}", add)
