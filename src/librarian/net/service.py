"""The registered fetcher: HTTP over the network."""

from collections.abc import Mapping
from typing import Any, BinaryIO

import urllib3
from zope.interface import implementer

from librarian.interfaces import Fetched, FetchFailed, IFetcher
from librarian.net.exact_bodies import DeclaredBody
from librarian.net.http import connection_pool, failure


def declared_body(headers: Mapping[str, str], body: BinaryIO | None) -> Any:
    """`body` as IFetcher sends it: exactly as long as `headers` say, if they do."""
    for name, value in headers.items():
        if body is not None and name.lower() == "content-length":
            return DeclaredBody(body, int(value))
    return body


@implementer(IFetcher)
class UrllibFetcher:
    """urllib3: it streams bodies, pools connections, and looks at no proxy unless told to."""

    def __init__(self, timeout_seconds: float = 60.0) -> None:
        # 0.5 + 1 + 2 s of pauses, then the refusal is final.
        self._pool = connection_pool(
            connect_tries=4, pause=0.5, connect_seconds=timeout_seconds, read_seconds=timeout_seconds
        )

    def request(
        self, method: str, url: str, headers: Mapping[str, str], body: BinaryIO | None = None
    ) -> Fetched:
        sent = declared_body(headers, body)
        try:
            answer = self._pool.request(method, url, headers=dict(headers), body=sent, redirect=False)
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise FetchFailed(method, url, failure(error)) from error
        found = {name.lower(): value for name, value in answer.headers.items()}
        return Fetched(answer.status, found, answer.data)
