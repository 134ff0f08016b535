"""The daemons' door: ``/machines/+scheduler/<hostname>/...``, in JSON.

Everything is checked by the scheduler itself, which is secured; here is only the translation.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from pyramid.httpexceptions import (
    HTTPBadRequest,
    HTTPLengthRequired,
    HTTPNoContent,
    HTTPUnsupportedMediaType,
)
from pyramid.request import Request
from pyramid.response import Response
from zope.component import getUtility

from librarian.machines.enums import CodeImportResultStatus
from librarian.machines.interfaces import (
    ICodeImportMachineSet,
    ICodeImportScheduler,
    ICodeImportSet,
    MachineHeld,
    MachineInQuarantine,
)
from librarian.machines.transitions import HOSTNAME
from librarian.machines.views.requests import fields_of, number_of, text_of
from librarian.web.forms import by_method
from librarian.web.requests.methods import takes

MOST_WORKERS = 1000
CHUNK = 1 << 18  # bytes

_JOB_ID = re.compile(r"[1-9][0-9]{0,15}")


class Scheduler:
    """``+scheduler``: a door for each host name, known or not."""

    def __getitem__(self, segment: str) -> "Daemon":
        if not HOSTNAME.fullmatch(segment.lower()):
            raise KeyError(segment)
        return Daemon(segment.lower())


@dataclass(frozen=True)
class Daemon:
    """``<hostname>``: what the controller of that machine calls."""

    hostname: str

    def __getitem__(self, segment: str) -> "Jobs":
        if segment != "jobs":
            raise KeyError(segment)
        return Jobs(self.hostname)


@dataclass(frozen=True)
class Jobs:
    """``jobs``: the machine's jobs, by id."""

    hostname: str

    def __getitem__(self, segment: str) -> "DaemonJob":
        if not _JOB_ID.fullmatch(segment):
            raise KeyError(segment)
        return DaemonJob(self.hostname, int(segment))


@dataclass(frozen=True)
class DaemonJob:
    """``<job id>``."""

    hostname: str
    job_id: int


def _standing(machine: Any, note: str = "", job: Any = None) -> dict[str, Any]:
    given = None
    if job is not None:
        code_import = getUtility(ICodeImportSet)[job.code_import]
        given = {
            "job_id": job.id,
            "code_import": code_import.name,
            "rcs_type": code_import.rcs_type.name,
            "url": code_import.url,
        }
    return {"state": machine.state.name, "held": machine.held, "note": note, "job": given}


@takes("POST")
def arrive(context: Daemon, request: Request) -> dict[str, Any]:
    """``POST arrive``: the daemon starts.  That it may not is an answer, and no error."""
    try:
        return _standing(getUtility(ICodeImportScheduler).arrive(context.hostname))
    except (MachineHeld, MachineInQuarantine) as error:
        return _standing(getUtility(ICodeImportMachineSet)[context.hostname], str(error))


@takes("POST")
def look(context: Daemon, request: Request) -> dict[str, Any]:
    """``POST look`` with ``worker_limit``: the machine lives, and is given a job if there is one."""
    limit = number_of(fields_of(request), "worker_limit", MOST_WORKERS)
    job = getUtility(ICodeImportScheduler).getJobForMachine(context.hostname, limit)
    machine = getUtility(ICodeImportMachineSet)[context.hostname]
    note = f"cordoned: {machine.cordon.reason}" if machine.cordon else machine.message or ""
    return _standing(machine, note, job)


@takes("POST")
def leave(context: Daemon, request: Request) -> Response:
    """``POST leave``: the daemon stops."""
    getUtility(ICodeImportScheduler).leave(context.hostname)
    return HTTPNoContent()


@takes("POST")
def drained(context: Daemon, request: Request) -> Response:
    """``POST drained``: quiescing took too long, and was ended."""
    getUtility(ICodeImportScheduler).drained(context.hostname)
    return HTTPNoContent()


@takes("POST")
def watch(context: Scheduler, request: Request) -> dict[str, Any]:
    """``POST +watch``: the watchdog's round; whom it set OFFLINE.

    ``reachable_seconds``, if given, is how long the watchdog has seen us answer.
    """
    fields = fields_of(request)
    reachable_for = None
    if "reachable_seconds" in fields:
        reachable_for = timedelta(seconds=number_of(fields, "reachable_seconds", 2**31))
    return {"offline": list(getUtility(ICodeImportScheduler).watch(reachable_for))}


@takes("POST")
def start(context: DaemonJob, request: Request) -> Response:
    """``POST start``."""
    getUtility(ICodeImportScheduler).startJob(context.job_id, context.hostname)
    return HTTPNoContent()


@takes("POST")
def heartbeat(context: DaemonJob, request: Request) -> Response:
    """``POST heartbeat`` with ``logtail``."""
    logtail = text_of(fields_of(request), "logtail")
    getUtility(ICodeImportScheduler).updateHeartbeat(context.job_id, context.hostname, logtail)
    return HTTPNoContent()


@takes("POST")
def finish(context: DaemonJob, request: Request) -> Response:
    """``POST finish`` with ``status``, the name of a CodeImportResultStatus."""
    name = text_of(fields_of(request), "status")
    if name not in CodeImportResultStatus.__members__:
        raise HTTPBadRequest(f"status: one of {', '.join(CodeImportResultStatus.__members__)}")
    status = CodeImportResultStatus[name]
    getUtility(ICodeImportScheduler).finishJob(context.job_id, context.hostname, status)
    return HTTPNoContent()


@takes("PUT")
def put_file(context: DaemonJob, request: Request) -> Response:
    """``PUT log`` and ``PUT bundle``: the bytes are the body."""
    size = request.content_length
    if size is None or "Transfer-Encoding" in request.headers:
        raise HTTPLengthRequired("how long it is must be said first")
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise HTTPUnsupportedMediaType("send the bytes as they are, without a Content-Encoding")
    scheduler = getUtility(ICodeImportScheduler)
    kind, body = request.view_name, request.body_file
    alias_id = scheduler.addFile(context.job_id, context.hostname, kind, size, body)
    return Response(json_body={"file": alias_id}, status=201)


def get_bundle(context: DaemonJob, request: Request) -> Response:
    """``GET bundle``: what to start from; 204 if there is nothing."""
    bundle = getUtility(ICodeImportScheduler).openBundle(context.job_id, context.hostname)
    if bundle is None:
        return HTTPNoContent()
    return Response(app_iter=Blocks(bundle), content_type="application/octet-stream")


bundle = by_method(GET=get_bundle, PUT=put_file)


class Blocks:
    """A file as a body; closed when the server is done with it."""

    def __init__(self, file: Any) -> None:
        self._file = file

    def __iter__(self) -> Iterator[bytes]:
        return iter(lambda: self._file.read(CHUNK), b"")

    def close(self) -> None:
        self._file.close()
