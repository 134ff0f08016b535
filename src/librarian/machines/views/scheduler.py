"""The scheduler over HTTP: ``/machines/+scheduler/<hostname>/...``, for daemons, in JSON.

The utility behind it is secured and checks everything; these views translate requests to its methods.
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

from librarian.machines.enums import CodeImportMachineState, CodeImportResultStatus, RevisionControlSystem
from librarian.machines.interfaces import (
    ICodeImportMachineSet,
    ICodeImportSet,
    MachineCordoned,
    MachineInBackoff,
    MachinePinned,
)
from librarian.machines.scheduler.interfaces import ICodeImportScheduler
from librarian.machines.transitions import HOSTNAME
from librarian.web.forms import by_method, fields_of, number, text
from librarian.web.openapi.declaring import BINARY, BYTES, Answer, Body, describes, does, empty, fields, gives
from librarian.web.openapi.schemas import FILE_ID, FLAG, TEXT, Named, Schema, array, nullable, obj, one_of
from librarian.web.requests.methods import judged_by, takes
from librarian.web.requests.received import received_input

MOST_WORKERS = 1000
CHUNK = 1 << 18  # bytes

_JOB_ID = re.compile(r"[1-9][0-9]{0,15}")


_PUTS = does("Store a file of the job", gives(obj(file=FILE_ID), 201, "Stored"), body=Body({BYTES: BINARY}))
#: _status() as JSON.
STATUS = Named(
    "MachineStatus",
    obj(
        state=one_of(CodeImportMachineState),
        pinned=FLAG,
        cordoned=FLAG,
        note=TEXT,
        job=nullable(obj(job_id=FILE_ID, code_import=TEXT, rcs_type=one_of(RevisionControlSystem), url=TEXT)),
    ),
)


def _upto(most: int) -> Schema:
    """The schema of a whole number from 0 to `most`."""
    return {"type": "integer", "minimum": 0, "maximum": most}


class Scheduler:
    """``+scheduler``: holds a Daemon for each host name, registered or not."""

    def __getitem__(self, segment: str) -> "Daemon":
        if not HOSTNAME.fullmatch(segment.lower()):
            raise KeyError(segment)
        return Daemon(segment.lower())


@dataclass(frozen=True)
class Daemon:
    """``<hostname>``: the context of the calls of that machine's controller."""

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


def _status(machine: Any, note: str = "", job: Any = None) -> dict[str, Any]:
    """The answer to ``arrive`` and ``poll``, as MachineStatus in the agent's interfaces."""
    return {
        "state": machine.state.name,
        "pinned": machine.pinned,
        "cordoned": machine.cordon is not None,
        "note": note,
        "job": None if job is None else _assignment(job),
    }


def _assignment(job: Any) -> dict[str, Any]:
    code_import = getUtility(ICodeImportSet)[job.code_import]
    return {
        "job_id": job.id,
        "code_import": code_import.name,
        "rcs_type": code_import.rcs_type.name,
        "url": code_import.url,
    }


@describes("/machines/+scheduler/{hostname}/arrive", POST=does("The daemon starts", gives(STATUS)))
@takes("POST")
def arrive(context: Daemon, request: Request) -> dict[str, Any]:
    """``POST arrive``: the daemon starts; that it may not bring its machine ONLINE is a 200 with a note."""
    try:
        return _status(getUtility(ICodeImportScheduler).arrive(context.hostname))
    except (MachinePinned, MachineCordoned, MachineInBackoff) as error:
        return _status(getUtility(ICodeImportMachineSet)[context.hostname], str(error))


@describes(
    "/machines/+scheduler/{hostname}/poll",
    POST=does(
        "The sign of life, and the next job",
        gives(STATUS),
        body=fields("worker_limit", worker_limit=_upto(MOST_WORKERS)),
    ),
)
@takes("POST")
def poll(context: Daemon, request: Request) -> dict[str, Any]:
    """``POST poll`` with ``worker_limit``: the machine's heartbeat; the answer has a job if there is one."""
    limit = number(request, "worker_limit", MOST_WORKERS)
    job = getUtility(ICodeImportScheduler).getJobForMachine(context.hostname, limit)
    machine = getUtility(ICodeImportMachineSet)[context.hostname]
    note = f"cordoned: {machine.cordon.reason}" if machine.cordon else machine.message or ""
    return _status(machine, note, job)


@describes("/machines/+scheduler/{hostname}/leave", POST=does("The daemon stops", empty()))
@takes("POST")
def leave(context: Daemon, request: Request) -> Response:
    """``POST leave``: the daemon stops."""
    getUtility(ICodeImportScheduler).leave(context.hostname)
    return HTTPNoContent()


@describes(
    "/machines/+scheduler/{hostname}/drained",
    POST=does("The daemon ended the jobs of a drain that took too long", empty()),
)
@takes("POST")
def drained(context: Daemon, request: Request) -> Response:
    """``POST drained``: the daemon ended the jobs of a drain that took too long."""
    getUtility(ICodeImportScheduler).drained(context.hostname)
    return HTTPNoContent()


@describes(
    "/machines/+scheduler/+watch",
    POST=does(
        "The watchdog's check: the machines that it set OFFLINE",
        gives(obj(offline=array(TEXT))),
        body=fields(reachable_seconds=_upto(2**31)),
    ),
)
@takes("POST")
def watch(context: Scheduler, request: Request) -> dict[str, Any]:
    """``POST +watch``: the watchdog's check; the host names of the machines that it set OFFLINE.

    ``reachable_seconds``, where given, is how long the watchdog has had answers from this service.
    """
    reachable_for = None
    if "reachable_seconds" in fields_of(request):
        reachable_for = timedelta(seconds=number(request, "reachable_seconds", 2**31))
    return {"offline": list(getUtility(ICodeImportScheduler).watch(reachable_for))}


@describes("/machines/+scheduler/{hostname}/jobs/{job_id:int}/start", POST=does("The worker begins", empty()))
@takes("POST")
def start(context: DaemonJob, request: Request) -> Response:
    """``POST start``: the worker begins."""
    getUtility(ICodeImportScheduler).startJob(context.job_id, context.hostname)
    return HTTPNoContent()


@describes(
    "/machines/+scheduler/{hostname}/jobs/{job_id:int}/heartbeat",
    POST=does("The job goes on", empty(), body=fields("logtail", logtail=TEXT)),
)
@takes("POST")
def heartbeat(context: DaemonJob, request: Request) -> Response:
    """``POST heartbeat`` with ``logtail``."""
    logtail = text(fields_of(request), "logtail")
    getUtility(ICodeImportScheduler).updateHeartbeat(context.job_id, context.hostname, logtail)
    return HTTPNoContent()


@describes(
    "/machines/+scheduler/{hostname}/jobs/{job_id:int}/finish",
    POST=does("The job has ended", empty(), body=fields("status", status=one_of(CodeImportResultStatus))),
)
@takes("POST")
def finish(context: DaemonJob, request: Request) -> Response:
    """``POST finish`` with ``status``, the name of a CodeImportResultStatus."""
    name = text(fields_of(request), "status")
    if name not in CodeImportResultStatus.__members__:
        raise HTTPBadRequest(f"status: one of {', '.join(CodeImportResultStatus.__members__)}")
    status = CodeImportResultStatus[name]
    getUtility(ICodeImportScheduler).finishJob(context.job_id, context.hostname, status)
    return HTTPNoContent()


def stated_size(context: DaemonJob, request: Request) -> int:
    """The size of the body in bytes, by the head.  Raises HTTPLengthRequired, HTTPUnsupportedMediaType."""
    size: int | None = request.content_length
    if size is None or "Transfer-Encoding" in request.headers:
        raise HTTPLengthRequired("a Content-Length is needed")
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise HTTPUnsupportedMediaType("a Content-Encoding is not supported; send the plain bytes")
    return size


@describes("/machines/+scheduler/{hostname}/jobs/{job_id:int}/log", PUT=_PUTS)
@judged_by(stated_size)
@takes("PUT")
def put_file(context: DaemonJob, request: Request) -> Response:
    """``PUT log`` and ``PUT bundle``: the bytes are the body."""
    size = stated_size(context, request)
    scheduler = getUtility(ICodeImportScheduler)
    kind, body = request.view_name, received_input(request.environ) or request.body_file
    alias_id = scheduler.addFile(context.job_id, context.hostname, kind, size, body)
    return Response(json_body={"file": alias_id}, status=201)


def get_bundle(context: DaemonJob, request: Request) -> Response:
    """``GET bundle``: the bundle to start from; 204 (No Content) if there is none."""
    bundle = getUtility(ICodeImportScheduler).openBundle(context.job_id, context.hostname)
    if bundle is None:
        return HTTPNoContent()
    return Response(app_iter=Blocks(bundle), content_type="application/octet-stream")


bundle = describes(
    "/machines/+scheduler/{hostname}/jobs/{job_id:int}/bundle",
    GET=does(
        "The bundle to start from", Answer(200, "The bundle", {BYTES: BINARY}), empty(204, "There is none")
    ),
    PUT=_PUTS,
)(by_method(GET=get_bundle, PUT=put_file))


class Blocks:
    """A file as the body of a response, in blocks of 256 KiB; close() closes the file."""

    def __init__(self, file: Any) -> None:
        self._file = file

    def __iter__(self) -> Iterator[bytes]:
        return iter(lambda: self._file.read(CHUNK), b"")

    def close(self) -> None:
        """Close the file; the WSGI server calls it when the answer ends (PEP 3333)."""
        self._file.close()
