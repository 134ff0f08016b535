"""OpenStack Swift with its S3 interface, as plain processes in one folder: one device, one replica.

Debian's packages swift-proxy, swift-account, swift-container, swift-object and memcached bring the programs;
none of their services need run.
"""

import os
import pwd
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import boto3
from botocore.config import Config

PYTHON = "/usr/bin/python3"  # for which Debian has Swift; not the one that this runs in
SERVERS = ("account", "container", "object")
PARTS = ("memcached", *SERVERS, "proxy")  # in the order in which they start
PROGRAMS = {"memcached": "memcached"} | {
    f"swift-{name}-server": f"swift-{name}" for name in (*SERVERS, "proxy")
}

ACCESS_KEY = "test:tester"
SECRET_KEY = "testing"  # noqa: S105  # of a server on loopback, see PROXY
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
# after a minute, so that the store is back at once.
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


def credentials() -> dict[str, str]:
    """What names the user, as environment variables of the AWS clients do."""
    return {"AWS_ACCESS_KEY_ID": ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": SECRET_KEY, "AWS_REGION": REGION}


def write_files(folder: Path, ports: Mapping[str, int], certificate: Path | None = None) -> None:
    """Write all that the parts of a store in `folder` read; with `certificate` it speaks https."""
    (folder / "d1").mkdir(exist_ok=True)
    if not (folder / "swift.conf").exists():  # the places of all objects follow from it
        (folder / "swift.conf").write_text(SWIFT.format(name=folder.name))
    for name in SERVERS:
        write_server(folder, name, ports[name])
    tls = f"cert_file = {certificate}\nkey_file = {certificate}" if certificate else ""
    values = {"user": running_user(), "folder": folder, "tls": tls, "memcached": ports["memcached"]}
    (folder / "proxy.conf").write_text(PROXY.format(port=ports["proxy"], **values))
    command = [PYTHON, "-c", BUILD_RINGS, str(folder), *(str(ports[name]) for name in SERVERS)]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)


def write_server(folder: Path, name: str, port: int, reserve: str = "0") -> None:
    """Write what one of SERVERS reads; `reserve` is the share of the disk that is to stay free."""
    values = {"reserve": reserve, "disable_fallocate": reserve == "0"}
    text = STORAGE.format(name=name, port=port, user=running_user(), folder=folder, **values)
    (folder / f"{name}.conf").write_text(text)


def command_of(part: str, folder: Path, port: int) -> list[str]:
    """What starts one of PARTS."""
    if part == "memcached":
        return ["memcached", "-l", "127.0.0.1", "-p", str(port), "-u", running_user()]
    return [f"swift-{part}-server", str(folder / f"{part}.conf"), "-v"]


def make_bucket(url: str, name: str, verify: bool = True) -> None:
    """Make a bucket; the name has three letters or more.  One that is there already is no error."""
    client = boto3.client(
        "s3",
        endpoint_url=url,
        aws_access_key_id=ACCESS_KEY,
        aws_secret_access_key=SECRET_KEY,
        region_name=REGION,
        verify=None if verify else False,
        config=Config(s3={"addressing_style": "path"}, signature_version="s3v4"),
    )
    try:
        with suppress(client.exceptions.BucketAlreadyOwnedByYou):
            client.create_bucket(Bucket=name)
    finally:
        client.close()


def running_user() -> str:
    """The name of the user who runs this."""
    return pwd.getpwuid(os.geteuid()).pw_name
