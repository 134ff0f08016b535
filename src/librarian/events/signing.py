"""Signatures of Standard Webhooks 1.0.0 (symmetric, "v1")."""

import base64
import hashlib
import hmac
import secrets

PREFIX = "whsec_"
BYTES = 32  # the specification wants 24 to 64


def new_secret() -> str:
    """A random secret, as receivers store it."""
    return PREFIX + base64.b64encode(secrets.token_bytes(BYTES)).decode()


def signature(secret: str, event_id: str, seconds: int, body: bytes) -> str:
    """``v1,`` and the HMAC of id, time (seconds since the epoch) and body in base64."""
    key = base64.b64decode(secret.removeprefix(PREFIX))
    signed = f"{event_id}.{seconds}.".encode() + body
    return "v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()


def signed_headers(keys: list[str], event_id: str, seconds: int, body: bytes) -> dict[str, str]:
    """The three header fields, signed with each of the secrets `keys`."""
    return {
        "webhook-id": event_id,
        "webhook-timestamp": str(seconds),
        "webhook-signature": " ".join(signature(key, event_id, seconds, body) for key in keys),
    }
