"""``/spool``: what waits for partners, what was sent, what is stuck and why; for people and for programs."""

from dataclasses import fields
from datetime import datetime
from typing import Any
from urllib.parse import quote, urlencode

from pyramid.request import Request
from pyramid.response import Response
from zope.component import getUtility
from zope.interface import implementer

from librarian.spool.interfaces import BadTarget, ISpoolSet, Kind
from librarian.spool.model.names import readable
from librarian.spool.model.report import LastRun, Outcome
from librarian.spool.model.state import SentFile, SpoolState, StuckFile, WaitingFile
from librarian.spool.service import KINDS
from librarian.web.errors import error_response
from librarian.web.forms import by_method, page
from librarian.web.interfaces import IAppSection
from librarian.web.openapi.declaring import describes, does, page_of
from librarian.web.openapi.schemas import (
    COUNT,
    SHA256,
    SIZE,
    TEXT,
    TIME,
    URL,
    array,
    extended,
    mapping,
    nullable,
    obj,
    one_of,
    told,
)
from librarian.web.requests.mounting import local_path


class Spools:
    """``/spool``: holds ``export`` and ``import``."""

    __name__ = "spool"

    def __init__(self, parent: Any) -> None:
        self.__parent__ = parent

    def __getitem__(self, segment: str) -> "SpoolsOfKind":
        for kind in KINDS:
            if kind == segment:
                return SpoolsOfKind(kind)
        raise KeyError(segment)


class SpoolsOfKind:
    """``/spool/export`` and ``/spool/import``: hold the spools by the names of their targets."""

    def __init__(self, kind: Kind) -> None:
        self.kind = kind

    def __getitem__(self, segment: str) -> Any:
        found = getUtility(ISpoolSet).getByName(segment, self.kind)
        if found is None:
            raise KeyError(segment)
        return found


@implementer(IAppSection)
class SpoolSection:
    """The link to the spools."""

    title = "Spool"
    description = "Files on their way to and from partners: what waits, what was sent, what is stuck and why."

    def root(self, parent: Any, request: Request) -> Spools:
        return Spools(parent)


spool_section = SpoolSection()


def _list(context: Spools, request: Request) -> Response:
    spools, trouble = getUtility(ISpoolSet), None
    try:
        described = [{**_place(spool), **_counts(spool.state())} for spool in spools]
    except BadTarget as error:  # the commands refuse to work with such a file, so nothing is exchanged
        described, trouble = [], readable(str(error))
    values = {"_title": "Spool", "spools": described, "trouble": trouble}
    return page(request, "librarian.spool:templates/spools.jinja2", values)


_LAST_RUN = obj(
    at=TIME,
    outcome=one_of(each.value for each in Outcome),
    files=COUNT,
    reasons=mapping(TEXT),
    lock=nullable(TEXT),
    error=nullable(TEXT),
)
_SPOOL = obj(
    kind=one_of(KINDS),
    name=TEXT,
    url=URL,
    address=TEXT,
    path=TEXT,
    waiting_count=COUNT,
    stuck_count=COUNT,
    last_run=nullable(_LAST_RUN),
    lock=TEXT,
    unreadable=COUNT,
    trouble=nullable(TEXT),
)
_ONE_SPOOL = extended(
    _SPOOL,
    waiting=array(obj(name=TEXT, size=SIZE, since=TIME)),
    stuck=array(obj(name=TEXT, reason=TEXT, since=nullable(TIME))),
    sent=array(obj(name=TEXT, size=nullable(SIZE), sha256=nullable(SHA256), at=nullable(TIME))),
    next=nullable(URL),
)

spools_page = describes(
    "/spool",
    GET=does(
        "All spools: what waits and what is stuck", page_of(obj(spools=array(_SPOOL), trouble=nullable(TEXT)))
    ),
)(by_method(GET=_list))


def _show(context: Any, request: Request) -> Response:
    start = request.GET.get("start", "")
    place, state = _place(context), context.state(start)
    following = state.waiting_next
    values = {
        "_title": f"{context.kind.capitalize()} {readable(context.name)}",
        "_start": start,
        **place,
        **_details(state),
        "next": following and f"{place['url']}?{urlencode({'start': following})}",
    }
    return page(request, "librarian.spool:templates/spool.jinja2", values)


spool_page = describes(
    "/spool/{kind}/{name}",
    GET=does(
        "A spool with its files",
        page_of(_ONE_SPOOL),
        query={"start": told(TEXT, "the name that the list of waiting files begins with")},
    ),
)(by_method(GET=_show))


def bad_target(context: BadTarget, request: Request) -> Response:
    """The file of targets cannot be used: which file and why."""
    return error_response(request, 503, readable(str(context)))


def _place(spool: Any) -> dict[str, Any]:
    return {
        "kind": spool.kind,
        "name": readable(spool.name),
        "url": local_path(f"/spool/{spool.kind}/{quote(spool.name, safe='')}"),
        "address": readable(spool.address),
        "path": readable(spool.path),
    }


def _counts(state: SpoolState) -> dict[str, Any]:
    return {
        "waiting_count": state.waiting_count,
        "stuck_count": state.stuck_count,
        "last_run": None if state.last_run is None else _described(state.last_run),
        "lock": readable(state.lock),
        "unreadable": state.unreadable,
        "trouble": None if state.trouble is None else readable(state.trouble),
    }


def _details(state: SpoolState) -> dict[str, Any]:
    return {
        **_counts(state),
        "waiting": [_described(file) for file in state.waiting],
        "stuck": [_described(file) for file in state.stuck],
        "sent": [_described(file) for file in state.sent],
    }


def _described(values: WaitingFile | StuckFile | SentFile | LastRun) -> dict[str, Any]:
    """The fields of one of the state's values, for JSON: sizes in bytes, times in RFC 3339."""
    return {field.name: _plain(getattr(values, field.name)) for field in fields(values)}


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat(timespec="seconds")
    if isinstance(value, dict):
        return {readable(name): readable(text) for name, text in value.items()}
    return readable(value) if isinstance(value, str) else value
