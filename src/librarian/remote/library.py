"""The library: files by their ids and URLs, and the named tree."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote, urlencode, urljoin

import urllib3

from librarian.remote.connection import answered, new_pool, refusal
from librarian.remote.downloads import download_to
from librarian.remote.events import EventStream
from librarian.remote.interfaces import TransferFailed, TriesAgain
from librarian.remote.patience import BUSY, Patience, retry_after
from librarian.remote.pieces import LARGE, PiecewiseUpload, names_in_tree
from librarian.remote.uploads import send_whole, stated_of
from librarian.remote.watching import Watch, unwatched

JSON = {"Accept": "application/json"}


@dataclass(frozen=True)
class File:
    """What the library knows of a file."""

    id: int
    url: str
    filename: str
    size: int  # bytes
    sha256: str  # hex
    mimetype: str = ""
    restricted: bool = False
    expires: str | None = None  # RFC 3339, or never

    @classmethod
    def of(cls, found: dict[str, Any]) -> Self:
        """A file as the library's JSON describes it; other fields are left out."""
        return cls(**{field.name: found[field.name] for field in fields(cls) if field.name in found})


@dataclass(frozen=True)
class Entry:
    """A file or a folder in a folder of the named tree."""

    name: str
    kind: str  # file or folder
    facts: dict[str, Any]  # all that the library tells


@dataclass(frozen=True)
class Match:
    """A file that was searched for."""

    file: File
    matched: str  # by what of the file: name, id, sha256, path, ...
    facts: dict[str, Any]  # all that the library tells


class Library:
    """A library on another machine.  Every method raises TransferFailed; once it returns, all is done.

    `token` is an API token.  Where the server says Retry-After, a request is sent again, for
    `patience_seconds` at most.
    """

    def __init__(
        self,
        app_url: str = "http://127.0.0.1:6543/",
        upload_url: str = "http://127.0.0.1:9090/",
        restricted_upload_url: str = "http://127.0.0.1:9095/",
        *,
        token: str | None = None,
        patience_seconds: float = 60,
        watch: Watch = unwatched,
    ) -> None:
        self._app_url = app_url.rstrip("/")
        self._upload_urls = {False: upload_url.rstrip("/"), True: restricted_upload_url.rstrip("/")}
        self._patience_seconds = patience_seconds
        self._watch = watch
        self._pool = new_pool()
        self._pool.authorize = lambda: None if token is None else f"Bearer {token}"
        for url in (self._app_url, *self._upload_urls.values()):
            self._pool.trust(url)
        self.tree = Tree(self)

    def add(
        self,
        path: Path,
        *,
        name: str | None = None,
        mimetype: str | None = None,
        expires: str | None = None,
        restricted: bool = False,
        resume: bool = False,
    ) -> File:
        """Add a file; `expires` is an RFC 3339 time or never.  With `resume` a large one goes on where
        another run on this machine has left it."""
        named = name or path.name
        stated = stated_of(path, named, mimetype, expires)
        base = self._upload_urls[restricted]
        if int(stated["Content-Length"]) > LARGE:
            return File.of(self.in_pieces(path, base, {"filename": named}, stated, resume))
        return File.of(self._sent(path, f"{base}/{quote(named, safe='')}", stated, "url"))

    def in_pieces(
        self, path: Path, base: str, names: dict[str, str], stated: dict[str, str], resume: bool
    ) -> dict[str, Any]:
        """The JSON of the answer to a large file; see PiecewiseUpload."""
        upload = PiecewiseUpload(self._pool, path, base, names, stated, resume=resume, watch=self._watch)
        return upload.send()

    def _sent(self, path: Path, url: str, stated: dict[str, str], *names: str) -> dict[str, Any]:
        return self._patience().answered(
            lambda: send_whole(self._pool, path, url, stated, *names, watch=self._watch)
        )

    def get(self, what: int | str, to: Path, *, replace: bool = False) -> Path:
        """Fetch a file by its id, its URL or its path in the named tree, to the file or into the folder `to`;
        where it was written.  What a broken run has left in ``NAME.part`` is gone on with."""
        found = download_to(self._pool, self._url_of(what), to, replace=replace, watch=self._watch)
        assert found is not None  # None is of standard output
        return found

    def _url_of(self, what: int | str) -> str:
        if isinstance(what, int):
            return f"{self._app_url}/files/{what}"
        return what if what.startswith(("http://", "https://")) else self.tree.url_of(what)

    def info(self, alias_id: int) -> File:
        """What the library knows of a file."""
        return File.of(self.ask("GET", f"/files/{alias_id}"))

    def search(self, words: str) -> Iterator[Match]:
        """Files by beginnings of words in their names, by an id, by a digest (whole, or eight digits of its
        beginning or more) or by a path of the named tree; fetched page by page."""
        for found in self.pages(f"/+search?{urlencode({'q': words})}", "files"):
            yield Match(File.of(found), found.get("matched", ""), found)

    def events(self, *kinds: str, last_id: str | None = None) -> EventStream:
        """Events of one's own files, for administrators of all, as they happen; without an end.

        Only those of `kinds`, such as file.added, if any are named.  `last_id` goes on after the event with
        this `stream_id`; without it the stream begins now.
        """
        url = f"{self._app_url}/events" + (f"?{urlencode({'kinds': ' '.join(kinds)})}" if kinds else "")

        def ask(last: str | None) -> urllib3.BaseHTTPResponse:
            headers = {"Accept": "text/event-stream, application/json"}
            headers |= {} if last is None else {"Last-Event-ID": last}
            found: urllib3.BaseHTTPResponse = self._pool.request(
                "GET", url, headers=headers, preload_content=False
            )
            return found

        return EventStream(ask, self._patience(), last_id)

    def pages(self, url: str, name: str) -> Iterator[dict[str, Any]]:
        """The objects in the list `name` of an answer, and of those that its `next` leads to."""
        following = url if "://" in url else self._app_url + url
        while following:
            found = self.ask("GET", following)
            if name not in found:
                raise TransferFailed(f"{url}: has no {name}")
            yield from found[name]
            following = urljoin(following, found["next"]) if found.get("next") else ""

    def link(self, alias_id: int, lifetime: str | None = None, uses: int | None = None) -> str:
        """A URL with which anyone fetches a restricted file, for `lifetime` (15m, 24h) and so many `uses`."""
        stated = {"lifetime": lifetime, "uses": uses}
        found = self.ask("POST", f"/files/{alias_id}/+tokens", stated)
        return str(found["url"])

    def hold(self, alias_id: int, reason: str) -> list[str]:
        """Keep a file until release() for the same reason; who holds it then."""
        return list(self.ask("POST", f"/files/{alias_id}/+holds", {"reason": reason})["holders"])

    def release(self, alias_id: int, reason: str) -> list[str]:
        """Undo hold(); who holds it still."""
        query = urlencode({"reason": reason})
        return list(self.ask("DELETE", f"/files/{alias_id}/+holds?{query}")["holders"])

    def delete(self, alias_id: int) -> None:
        """Delete a file; for a week undelete() brings it back."""
        self.ask("POST", f"/files/{alias_id}/+delete", {})

    def undelete(self, alias_id: int) -> File:
        """Bring back a file that was deleted, under the URL it had."""
        return File.of(self.ask("POST", f"/files/{alias_id}/+undelete", {}))

    def ask(self, method: str, path: str, stated: dict[str, Any] | None = None) -> dict[str, Any]:
        """The JSON object that the web application answers to `stated` as JSON; of the None in it nothing."""
        headers, options = dict(JSON), {}
        if stated is not None:
            headers["Content-Type"] = "application/json"
            options["body"] = json.dumps({key: value for key, value in stated.items() if value is not None})
        url = path if "://" in path else self._app_url + path
        answer = self.answer_to(path, lambda: self._pool.request(method, url, headers=headers, **options))
        return {} if answer.status == 204 else answered(path, answer)  # No Content

    def answer_to(self, what: str, send: Callable[[], Any]) -> urllib3.BaseHTTPResponse:
        """The answer to a request below 300, sent again where the server says so.  Raises TransferFailed."""

        def ask() -> urllib3.BaseHTTPResponse:
            answer: urllib3.BaseHTTPResponse = send()
            if answer.status in BUSY and "Retry-After" in answer.headers:
                raise TriesAgain(refusal(what, answer), retry_after(answer))
            if answer.status >= 300:  # no success (RFC 9110, section 15)
                raise refusal(what, answer)
            return answer

        return self._patience().answered(ask)

    def _patience(self) -> Patience:
        return Patience(self._patience_seconds)


class Tree:
    """The named tree; a path may begin with a slash or do without it."""

    def __init__(self, library: Library) -> None:
        self._library = library

    def url_of(self, path: str) -> str:
        """The URL of a path.  Raises TransferFailed for none."""
        if not path.strip("/"):
            raise TransferFailed(f"{path!r} is no path such as /a/b.txt")
        return f"{self._library._app_url}/tree/{quote(path.lstrip('/'))}"

    def list(self, path: str = "/") -> Iterator[Entry]:
        """What is in a folder, A to Z, fetched page by page."""
        for entry in self._library.pages(f"/tree/{quote(path.strip('/'))}", "entries"):
            yield Entry(entry["name"], entry["kind"], entry)

    def put(
        self,
        path: Path,
        target: str,
        *,
        mimetype: str | None = None,
        parents: bool = False,
        restricted: bool = False,
        resume: bool = False,
    ) -> File:
        """Put a file at a path, as its newest version; with `parents` in folders that are made, with `resume`
        as in Library.add()."""
        stated = stated_of(path, target, mimetype, None)
        url = self.url_of(target)
        if int(stated["Content-Length"]) > LARGE:
            names = names_in_tree(target, parents=parents, restricted=restricted)
            base = self._library._app_url
            return File.of(self._library.in_pieces(path, base, names, stated, resume)["file"])
        flags = [name for name, is_set in (("parents", parents), ("restricted", restricted)) if is_set]
        query = "&".join(f"{flag}=true" for flag in flags)
        whole = f"{url}?{query}" if query else url
        return File.of(self._library._sent(path, whole, stated, "file")["file"])

    def move(self, path: str, target: str) -> None:
        """Give an entry or a folder another path."""
        self._library.ask("POST", self.url_of(path), {"move_to": target})

    def remove(self, path: str, *, recursive: bool = False) -> None:
        """Remove an entry with its versions, or a folder; one that is not empty needs `recursive`."""
        self._library.ask("DELETE", self.url_of(path) + ("?recursive=true" if recursive else ""))
