"""HTTP with credentials, and what answers say."""

from collections.abc import Callable
from typing import Any

import urllib3

from librarian.net.http import connection_pool, failure, json_object, refusal_reason
from librarian.remote.interfaces import TransferFailed


class Pool(urllib3.PoolManager):
    """Sends credentials to the URLs that were named as trusted."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        # Gives the Authorization field, or None; called at the first request to a trusted URL.
        self.authorize: Callable[[], str | None] = lambda: None
        self._trusted: list[str] = []

    def trust(self, url: str) -> None:
        """Send the credentials with requests to `url` and below.  (urllib3 drops them where a
        redirection leads to another host.)"""
        self._trusted.append(url.rstrip("/") + "/")

    def request(self, method: str, url: str, **options: Any) -> Any:  # type: ignore[override]  # narrower
        field = self.authorize() if url.startswith(tuple(self._trusted)) else None
        if field is not None:
            options["headers"] = {"Authorization": field, **(options.get("headers") or {})}
        try:
            return super().request(method, url, **options)
        except urllib3.exceptions.HTTPError as error:
            raise TransferFailed(f"{url}: {failure(error)}") from error


def new_pool() -> Pool:
    """Connections that follow redirections, and trust no URL yet."""
    found: Pool = connection_pool(Pool, redirects=5)
    return found


def answered(what: str, answer: urllib3.BaseHTTPResponse, *names: str) -> dict[str, Any]:
    """The JSON object an answer holds, in which there is all of `names`.  Raises TransferFailed."""
    found = json_object(answer.data)
    if found is None or not all(name in found for name in names):
        why = f"{answer.status} and no answer of a librarian; is the URL right?"
        raise TransferFailed(f"{what}: {why}", answer.status)
    return found


def refusal(what: str, answer: urllib3.BaseHTTPResponse) -> TransferFailed:
    """The error for an answer that is not the hoped-for one, with the server's own reason."""
    reason = refusal_reason(answer.data) or answer.reason or "refused"
    return TransferFailed(f"{what}: {answer.status} {reason}", answer.status)
