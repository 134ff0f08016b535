"""Rows about a library whose bytes are in an object store, beside one on a disk and the store's own PUT.

The object store is OpenStack Swift on the same machine.  Its PUT by boto3 is the floor of ours, which asks
whether the bytes are there, sends them, and commits their name.
"""

import secrets
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import boto3
from boto3.s3.transfer import TransferConfig
from botocore.config import Config

from benchmarks.figures.downloads import BOTH, KIB, MIB, identity, noise, path_of
from benchmarks.figures.large import GIB, pieces, seconds
from benchmarks.figures.processor import cost
from benchmarks.figures.rows import Figures, Row
from benchmarks.figures.sites import Missing, Sites
from tests.support.servers.swift import ACCESS_KEY, REGION, SECRET_KEY

PUTS = 30  # by one client, one after the other
PART_BYTES, PARTS_AT_ONCE = 64 * MIB, 4


def hot(sites: Sites, engine: str) -> float:
    """Microseconds of processor time of a GET of 1 KiB that was read before."""
    site = sites.ours(engine)
    path = path_of(site, noise(KIB))
    site.server.request("GET", site.server.urls["public"].rstrip("/") + path)
    return cost(site.server.urls["public"], identity(path), site.pids())[0]


def cached_to_disk(sites: Sites) -> Figures:
    there, here = hot(sites, "s3"), hot(sites, "file")
    return Figures(there / here, (there, here))


def cold_to_floor(sites: Sites) -> Figures:
    """Milliseconds of a GET of 1 KiB that no cache has, and of the store's own."""
    site, client = sites.ours("s3"), _client(sites)
    urls = []
    for _one in range(PUTS):
        urls.append(site.server.urls["public"].rstrip("/") + path_of(site, secrets.token_bytes(KIB)))
        client.put_object(Bucket="bench", Key="floor/cold", Body=secrets.token_bytes(KIB))

    def get_by_boto3() -> None:
        client.get_object(Bucket="bench", Key="floor/cold")["Body"].read()

    return _medians(lambda: site.server.request("GET", urls.pop()), get_by_boto3)


def small_to_floor(sites: Sites) -> Figures:
    """Milliseconds of a PUT of 1 KiB by one client, and of the store's own."""
    site, client = sites.ours("s3"), _client(sites)
    upload = site.server.urls["upload"] + "noise.bin"

    def put() -> None:
        if site.server.request("PUT", upload, body=secrets.token_bytes(KIB)).status != 201:  # Created
            raise Missing("the object store is away")

    def put_by_boto3() -> None:
        client.put_object(Bucket="bench", Key=f"floor/{secrets.token_hex(16)}", Body=secrets.token_bytes(KIB))

    return _medians(put, put_by_boto3)


def large_to_floor(sites: Sites) -> Figures:
    """Seconds of a PUT of 1 GiB, and of boto3's from a file, in the same parts."""
    server, client = sites.ours("s3").server, _client(sites)
    transfer = TransferConfig(
        multipart_threshold=PART_BYTES, multipart_chunksize=PART_BYTES, max_concurrency=PARTS_AT_ONCE
    )
    with tempfile.TemporaryDirectory(dir=server.folder) as name:
        source = Path(name, "source")
        with source.open("wb") as file:
            file.write(secrets.token_bytes(KIB))  # other bytes than those of the turn before
            file.writelines(pieces())
        theirs = seconds(lambda: client.upload_file(str(source), "bench", "floor/large", Config=transfer))
        client.delete_object(Bucket="bench", Key="floor/large")
        ours = seconds(lambda: _upload(server, source))
    return Figures(ours / theirs, (ours, theirs))


def _upload(server: Any, source: Path) -> None:
    with source.open("rb") as file:
        size = {"Content-Length": str(source.stat().st_size)}
        answer = server.request("PUT", server.urls["upload"] + "large.bin", body=file, headers=size)
    if answer.status != 201:  # Created
        raise Missing(f"PUT of {GIB >> 30} GiB is answered {answer.status}")


def _client(sites: Sites) -> Any:
    """boto3 as a program would use it that checks what it sends as we do: hashes signed, MD5 sent."""
    return boto3.client(
        "s3",
        endpoint_url=sites.swift().url,
        aws_access_key_id=ACCESS_KEY,
        aws_secret_access_key=SECRET_KEY,
        region_name=REGION,
        config=Config(
            signature_version="s3v4",
            request_checksum_calculation="when_required",
            s3={"addressing_style": "path", "payload_signing_enabled": True},
        ),
    )


def _medians(ours: Callable[[], object], theirs: Callable[[], object]) -> Figures:
    """Milliseconds of both, one after the other in turn: what else the machine does costs both alike."""
    took: list[tuple[float, float]] = [(_ms(ours), _ms(theirs)) for _turn in range(PUTS)]
    mine, floor = (median(each) for each in zip(*took, strict=True))
    return Figures(mine / floor, (mine, floor))


def _ms(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return 1e3 * (time.perf_counter() - began)


MILLISECONDS = "{:.1f} ms, boto3 {:.1f} ms"

ROWS = (
    Row("S3: GET 1 KiB from the local cache, cost to the same on a disk", "<= 1.2", cached_to_disk, BOTH),
    Row("S3: GET 1 KiB that no cache has, time to boto3's", "", cold_to_floor, MILLISECONDS),
    Row("S3: PUT 1 KiB, time to boto3's", "<= 1.3", small_to_floor, MILLISECONDS),
    Row("S3: PUT 1 GiB, time to boto3's", "<= 1.3", large_to_floor, "{:.1f} s, boto3 {:.1f} s", turns=3),
)
