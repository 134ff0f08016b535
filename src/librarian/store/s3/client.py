"""A boto3 client for any store that speaks S3."""

import base64
import hashlib
from typing import Any

from boto3.session import Session
from botocore.config import Config

from librarian.store.s3.address import S3Address

CONNECT_SECONDS = 3.0  # also the longest that sending may stand still
PATIENT_SECONDS = 300.0  # for putting together the parts of a large file


def make_client(address: S3Address, *, patient: bool = False) -> Any:
    """A client, safe to use from many threads.  It tries everything once: `calls` repeats.

    The hash of each body is signed, also over TLS: beside Content-MD5 it is the only checksum that every
    store verifies.  Some ignore x-amz-checksum-*, and refuse the trailers that boto3 would send by default.
    """
    config = Config(
        signature_version="s3v4",
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        connect_timeout=CONNECT_SECONDS,
        read_timeout=PATIENT_SECONDS if patient else address.timeout,
        max_pool_connections=address.connections,
        retries={"mode": "standard", "total_max_attempts": 1},
        s3={"addressing_style": address.style, "payload_signing_enabled": True},
    )
    client = Session().client(
        "s3",
        endpoint_url=address.endpoint or None,
        region_name=address.region,
        config=config,
        verify=address.ca_file or None,
    )
    client.meta.events.register("before-call.s3.DeleteObjects", _add_md5)
    return client


def _add_md5(params: dict[str, Any], **_others: object) -> None:
    """Multi-Object Delete requires Content-MD5 (S3's API reference), which boto3 no longer sends."""
    digest = hashlib.md5(params["body"], usedforsecurity=False).digest()
    params["headers"]["Content-MD5"] = base64.b64encode(digest).decode()
