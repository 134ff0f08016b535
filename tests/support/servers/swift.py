"""OpenStack Swift with its S3 interface: a real object store on one machine, as plain processes.

One device and one replica in a folder that goes away with it.  Debian's packages swift-proxy, swift-account,
swift-container, swift-object and memcached bring the programs; none of their services need run.
"""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import boto3
from botocore.config import Config

PYTHON = "/usr/bin/python3"  # for which Debian has Swift; not the one that tests run in
SERVERS = ("account", "container", "object")
PARTS = ("memcached", *SERVERS, "proxy")  # in the order in which they start
PROGRAMS = ("memcached", *(f"swift-{name}-server" for name in (*SERVERS, "proxy")))
START_SECONDS = 60.0
ATTEMPTS = 5  # to find ports: they are written down before the servers bind them

ACCESS_KEY = "test:tester"
SECRET_KEY = "testing"
REGION = "us-east-1"

# One process for all three rings, where swift-ring-builder would need nine.
BUILD_RINGS = """
import sys
from swift.common.ring import RingBuilder
for name, port in zip(("account", "container", "object"), sys.argv[2:]):
    builder = RingBuilder(6, 1, 0)
    device = {"region": 1, "zone": 1, "ip": "127.0.0.1", "port": int(port), "device": "d1", "weight": 1.0}
    builder.add_dev({**device, "replication_ip": "127.0.0.1", "replication_port": int(port), "meta": ""})
    builder.rebalance(seed=1)
    builder.get_ring().save(f"{sys.argv[1]}/{name}.ring.gz")
"""
SWIFT = """\
[swift-hash]
swift_hash_path_suffix = {name}
swift_hash_path_prefix = {name}
[storage-policy:0]
name = one
default = yes
"""
STORAGE = """\
[DEFAULT]
bind_ip = 127.0.0.1
bind_port = {port}
user = {user}
swift_dir = {folder}
devices = {folder}
mount_check = false
workers = 0
db_preallocation = off
disable_fallocate = {disable_fallocate}
fallocate_reserve = {reserve}
[pipeline:main]
pipeline = {name}-server
[app:{name}-server]
use = egg:swift#{name}
[{name}-replicator]
[{name}-updater]
[{name}-auditor]
"""
# versioned_writes does not start without symlink.  A server that failed is asked again after a second, not
# after a minute, so that a test need not wait for it.
PROXY = """\
[DEFAULT]
bind_ip = 127.0.0.1
bind_port = {port}
user = {user}
swift_dir = {folder}
workers = 0
{tls}
[pipeline:main]
pipeline = catch_errors cache s3api tempauth copy slo dlo versioned_writes symlink proxy-server
[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
conn_timeout = 0.5
node_timeout = 10
error_suppression_interval = 1
error_suppression_limit = 1000
[filter:catch_errors]
use = egg:swift#catch_errors
[filter:cache]
use = egg:swift#memcache
memcache_servers = 127.0.0.1:{memcached}
[filter:s3api]
use = egg:swift#s3api
location = us-east-1
[filter:tempauth]
use = egg:swift#tempauth
user_test_tester = testing .admin
[filter:copy]
use = egg:swift#copy
[filter:slo]
use = egg:swift#slo
[filter:dlo]
use = egg:swift#dlo
[filter:versioned_writes]
use = egg:swift#versioned_writes
allow_object_versioning = true
[filter:symlink]
use = egg:swift#symlink
"""


def swift_missing() -> str | None:
    """Why there can be no server here, or None."""
    absent = [name for name in PROGRAMS if shutil.which(name) is None]
    return f"not installed: {', '.join(absent)}" if absent else None


class SwiftServer:
    """A store that forgets nothing while its parts are killed and started again, until remove().

    With `certificate`, a PEM file with a key and a certificate for 127.0.0.1, it speaks https.
    """

    def __init__(self, certificate: Path | None = None) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="librarian-swift-"))
        (self.folder / "d1").mkdir()
        self.ports: dict[str, int] = {}
        self._certificate = certificate
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        (self.folder / "swift.conf").write_text(SWIFT.format(name=self.folder.name))

    @property
    def url(self) -> str:
        """The endpoint to give to clients, such as ``http://127.0.0.1:4711``."""
        return f"{'https' if self._certificate else 'http'}://127.0.0.1:{self.ports['proxy']}"

    @property
    def pids(self) -> dict[str, int]:
        """The processes that run, by part."""
        return {part: process.pid for part, process in self._running.items()}

    def start(self) -> None:
        """Start all parts on ports that are free; after stop(), those that do not run, on theirs."""
        for attempt in range(ATTEMPTS):
            if not self.ports:
                self._settle_ports()
            try:
                self.start_part(*(part for part in PARTS if part not in self._running))
                return
            except RuntimeError:  # another process may have taken a port in between
                self.stop()
                if attempt == ATTEMPTS - 1 or any((self.folder / "d1").iterdir()):
                    raise
                self.ports = {}

    def start_part(self, *parts: str) -> None:
        """Start some of PARTS; each accepts connections then.  Raises RuntimeError with a log."""
        for part in parts:
            assert part not in self._running, f"{part} runs"
            with (self.folder / f"{part}.log").open("ab") as log:
                self._running[part] = subprocess.Popen(
                    self._command(part), cwd=self.folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log
                )
        for part in parts:
            self._wait_for(part)

    def stop(self, *parts: str) -> None:
        """End some parts, without any all of them, as an orderly shutdown does."""
        self._end(parts or PARTS[::-1], signal.SIGTERM)

    def kill(self, *parts: str) -> None:
        """End some parts, without any all of them, in the middle of what they do."""
        self._end(parts or PARTS[::-1], signal.SIGKILL)

    @contextmanager
    def without(self, *parts: str) -> Iterator[None]:
        """Kill some parts for the length of a `with`."""
        self.kill(*parts)
        try:
            yield
        finally:
            self.start_part(*parts)

    @contextmanager
    def frozen(self, *parts: str) -> Iterator[None]:
        """Stop some parts, without ending them, for the length of a `with`: they accept, and say nothing."""
        processes = [self._running[part] for part in parts]
        for process in processes:
            process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            for process in processes:
                process.send_signal(signal.SIGCONT)

    @contextmanager
    def full(self) -> Iterator[None]:
        """Have no room for another object for the length of a `with`; what is there can be read."""
        self.stop("object")
        self._write_storage("object", reserve="99.99%")
        self.start_part("object")
        try:
            yield
        finally:
            self.stop("object")
            self._write_storage("object")
            self.start_part("object")

    def objects(self) -> list[Path]:
        """The files on the device that hold objects, parts of large ones too, as damage finds them."""
        return sorted((self.folder / "d1" / "objects").rglob("*.data"))

    def settings(self) -> dict[str, str]:
        """What names this server and its user, as environment variables of the AWS clients do."""
        return {"AWS_ACCESS_KEY_ID": ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": SECRET_KEY, "AWS_REGION": REGION}

    def make_bucket(self, name: str) -> None:
        """Make a bucket; the name has three letters or more.  One that is there already is no error."""
        client = boto3.client(
            "s3",
            endpoint_url=self.url,
            aws_access_key_id=ACCESS_KEY,
            aws_secret_access_key=SECRET_KEY,
            region_name=REGION,
            verify=False if self._certificate else None,
            config=Config(s3={"addressing_style": "path"}, signature_version="s3v4"),
        )
        try:
            with suppress(client.exceptions.BucketAlreadyOwnedByYou):
                client.create_bucket(Bucket=name)
        finally:
            client.close()

    def remove(self) -> None:
        """Delete the folder, and all that was stored."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _settle_ports(self) -> None:
        self.ports = _free_ports(PARTS)
        for name in SERVERS:
            self._write_storage(name)
        tls = f"cert_file = {self._certificate}\nkey_file = {self._certificate}" if self._certificate else ""
        values = {"user": _user(), "folder": self.folder, "tls": tls, "memcached": self.ports["memcached"]}
        (self.folder / "proxy.conf").write_text(PROXY.format(port=self.ports["proxy"], **values))
        ports = [str(self.ports[name]) for name in SERVERS]
        command = [PYTHON, "-c", BUILD_RINGS, str(self.folder), *ports]
        subprocess.run(command, cwd=self.folder, check=True, capture_output=True)

    def _write_storage(self, name: str, reserve: str = "0") -> None:
        conf = STORAGE.format(
            name=name,
            port=self.ports[name],
            user=_user(),
            folder=self.folder,
            reserve=reserve,
            disable_fallocate=reserve == "0",
        )
        (self.folder / f"{name}.conf").write_text(conf)

    def _command(self, part: str) -> list[str]:
        if part == "memcached":
            return ["memcached", "-l", "127.0.0.1", "-p", str(self.ports[part]), "-u", _user()]
        return [f"swift-{part}-server", str(self.folder / f"{part}.conf"), "-v"]

    def _wait_for(self, part: str) -> None:
        end = time.monotonic() + START_SECONDS
        while not _listens(self.ports[part]):
            if self._running[part].poll() is not None or time.monotonic() > end:
                log = (self.folder / f"{part}.log").read_text(errors="replace")
                raise RuntimeError(f"{part} does not listen: {log[-2000:]}")
            time.sleep(0.02)

    def _end(self, parts: tuple[str, ...], how: signal.Signals) -> None:
        ending = [self._running.pop(part) for part in parts if part in self._running]
        for process in ending:
            process.send_signal(how)
            process.send_signal(signal.SIGCONT)
        for process in ending:
            process.wait(30)


@contextmanager
def swift(certificate: Path | None = None) -> Iterator[SwiftServer]:
    """A server while the `with` lasts."""
    server = SwiftServer(certificate)
    try:
        server.start()
        yield server
    finally:
        server.kill()
        server.remove()


def _free_ports(names: tuple[str, ...]) -> dict[str, int]:
    with ExitStack() as taken:
        sockets = [taken.enter_context(socket.create_server(("127.0.0.1", 0))) for _name in names]
        return {name: made.getsockname()[1] for name, made in zip(names, sockets, strict=True)}


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


def _user() -> str:
    return pwd.getpwuid(os.geteuid()).pw_name
