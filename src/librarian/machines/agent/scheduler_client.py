"""The service as daemons call it: JSON over HTTP with a bearer token, from any host."""

import json
import os
import shutil
from pathlib import Path
from typing import Any
from urllib.parse import quote

import urllib3

from librarian.machines.agent.interfaces import (
    Assignment,
    JobLost,
    MachineStatus,
    Refused,
    SchedulerClient,
    Unreachable,
)
from librarian.net.exact_bodies import DeclaredBody
from librarian.net.http import CHUNK, connection_pool, failure, json_object, refusal_reason
from librarian.net.interfaces import WrongLength


class Api:
    """``/machines`` of the web application, with the token of an account."""

    def __init__(self, app_url: str, token: str) -> None:
        self._base = f"{app_url.rstrip('/')}/machines"
        self._headers = {"Accept": "application/json", "Authorization": f"Bearer {token}"}
        self._pool = connection_pool(most=64)  # a connection for each of a controller's threads

    def get(self, path: str) -> dict[str, Any]:
        """The JSON at `path`.  Raises Unreachable and Refused, as everything here."""
        return self._json(self.send("GET", path))

    def post(self, path: str, **fields: Any) -> dict[str, Any]:
        """Send `fields` as JSON; the JSON of the answer, {} for an empty body."""
        body, headers = json.dumps(fields).encode(), {"Content-Type": "application/json"}
        return self._json(self.send("POST", path, body=body, headers=headers))

    def send(self, method: str, path: str, headers: dict[str, str] | None = None, **options: Any) -> Any:
        """A urllib3 response with a status below 300.  Raises JobLost for 410."""
        headers = self._headers | (headers or {})
        try:
            answer = self._pool.request(method, self._base + path, headers=headers, redirect=False, **options)
        except urllib3.exceptions.HTTPError as error:
            raise Unreachable(f"{self._base}: {failure(error)}") from error
        if answer.status < 300:  # 2xx is done
            return answer
        reason = refusal_reason(answer.data) or answer.reason or "no reason given"
        if answer.status == 410:  # Gone
            raise JobLost(reason)
        if answer.status >= 500 or answer.status == 429:  # the server's fault, or too much at once
            raise Unreachable(f"{answer.status} {reason}")
        raise Refused(answer.status, reason)

    @staticmethod
    def _json(answer: Any) -> dict[str, Any]:
        if not answer.data:
            return {}
        answered = json_object(answer.data)
        if answered is None:
            raise Refused(answer.status, "the answer is no JSON object; is the URL right?")
        return answered


class HTTPSchedulerClient(SchedulerClient):
    """A SchedulerClient for one machine: ``/machines/+scheduler/<hostname>``."""

    def __init__(self, api: Api, hostname: str) -> None:
        self._api = api
        self._base = f"/+scheduler/{quote(hostname, safe='')}"

    def arrive(self) -> MachineStatus:
        return _status(self._post("arrive"))

    def poll(self, worker_limit: int) -> MachineStatus:
        return _status(self._post("poll", worker_limit=worker_limit))

    def start(self, job_id: int) -> None:
        self._post(f"jobs/{job_id}/start")

    def beat(self, job_id: int, logtail: str) -> None:
        self._post(f"jobs/{job_id}/heartbeat", logtail=logtail)

    def fetch_bundle(self, job_id: int, target: Path) -> bool:
        answer = self._api.send("GET", f"{self._base}/jobs/{job_id}/bundle", preload_content=False)
        try:
            if answer.status == 204:  # No Content
                return False
            with target.open("wb") as file:
                shutil.copyfileobj(answer, file, CHUNK)
        except urllib3.exceptions.HTTPError as error:
            raise Unreachable(str(error)) from error
        finally:
            answer.release_conn()
        return True

    def deliver(self, job_id: int, kind: str, path: Path) -> None:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            headers = {"Content-Length": str(size), "Content-Type": "application/octet-stream"}
            # A log may grow meanwhile; `size` bytes of it are sent.
            body = DeclaredBody(file, size, may_grow=kind == "log")
            try:
                self._api.send("PUT", f"{self._base}/jobs/{job_id}/{kind}", headers, body=body)
            except WrongLength as error:
                raise Unreachable(f"{path} changed while it was sent: {error}") from error

    def finish(self, job_id: int, status: str) -> None:
        self._post(f"jobs/{job_id}/finish", status=status)

    def leave(self) -> None:
        self._post("leave")

    def drained(self) -> None:
        self._post("drained")

    def _post(self, verb: str, **fields: Any) -> dict[str, Any]:
        return self._api.post(f"{self._base}/{verb}", **fields)


def _status(found: dict[str, Any]) -> MachineStatus:
    """The answer to arrive() and poll().  Raises Refused if it is another kind of JSON."""
    job = found.get("job")
    try:
        assignment = Assignment(**job) if job else None
        return MachineStatus(found["state"], found["pinned"], found["cordoned"], found["note"], assignment)
    except (KeyError, TypeError) as error:
        raise Refused(200, f"the answer is no machine's status: {error}; is the URL right?") from error
