"""HTTP as the commands speak it."""

import json
from functools import cache
from typing import Any

import urllib3

from librarian.interfaces import LibrarianError


class TransferFailed(LibrarianError):
    """A command got no file across, and says why in one line."""


@cache
def pool() -> urllib3.PoolManager:
    """Connections of this run; a refused one is tried again for a few seconds, nothing else is."""
    retries = urllib3.Retry(total=None, connect=3, read=0, redirect=5, status=0, other=0, backoff_factor=0.3)
    return _Pool(retries=retries, timeout=urllib3.Timeout(connect=10, read=300), blocksize=1 << 18)


class _Pool(urllib3.PoolManager):
    def request(self, method: str, url: str, **options: Any) -> Any:  # type: ignore[override]  # narrower
        try:
            return super().request(method, url, **options)
        except urllib3.exceptions.HTTPError as error:
            reason = getattr(error, "reason", None) or error
            raise TransferFailed(f"{url}: {reason}") from error


def refusal(what: str, answer: urllib3.BaseHTTPResponse) -> TransferFailed:
    """The error for an answer that is not the hoped-for one, with the server's own reason."""
    try:
        reason = json.loads(answer.data)["error"]
    except (ValueError, KeyError, TypeError):
        reason = answer.reason or "refused"
    return TransferFailed(f"{what}: {answer.status} {reason}")
