"""Machines in the web application: ``/machines``, as pages and as JSON."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from pyramid.httpexceptions import HTTPBadRequest
from pyramid.request import Request
from pyramid.response import Response
from zope.component import getUtility
from zope.interface import implementer

from librarian.interfaces import IClock
from librarian.machines.enums import CodeImportMachineOfflineReason, CodeImportMachineState
from librarian.machines.interfaces import (
    ICodeImportMachineSet,
    MachineCordoned,
    MachinePinned,
    NoCordonReason,
    NotCordoned,
    WrongMachineState,
)
from librarian.machines.views.description import (
    MACHINE,
    MACHINE_LINE,
    describe_machine,
    summarize_machine,
    title,
)
from librarian.machines.views.imports import Imports
from librarian.machines.views.scheduler import Scheduler
from librarian.security.interaction import is_permitted
from librarian.web.errors import error_response, wants_page
from librarian.web.forms import by_method, done, fields_of, text
from librarian.web.interfaces import IAppSection
from librarian.web.openapi.declaring import (
    HTML,
    JSON,
    Answer,
    Operation,
    changes,
    describes,
    does,
    fields,
    page_of,
    redirects,
)
from librarian.web.openapi.schemas import TEXT, array, obj, one_of, told
from librarian.web.requests.methods import takes
from librarian.web.requests.mounting import local_path

EDIT = "librarian.machines.Edit"


class Machines:
    """``/machines``: holds every machine by its host name, ``+imports`` and ``+scheduler``."""

    __name__ = "machines"

    def __init__(self, parent: Any) -> None:
        self.__parent__ = parent

    def __getitem__(self, segment: str) -> Any:
        if segment == "+imports":
            return Imports(self)
        if segment == "+scheduler":
            return Scheduler()
        return getUtility(ICodeImportMachineSet)[segment]


@implementer(IAppSection)
class MachinesSection:
    """The link to the machines, and their container."""

    title = "Machines"
    description = "The machines that import code, their states and the reasons for them."

    def root(self, parent: Any, request: Request) -> Machines:
        return Machines(parent)


machines_section = MachinesSection()


@describes("/machines", GET=does("All machines, A to Z", page_of(obj(machines=array(MACHINE_LINE)))))
def machines_page(context: Machines, request: Request) -> Any:
    """The list, A to Z."""
    now = getUtility(IClock).now()
    machines = [summarize_machine(machine, now) for machine in getUtility(ICodeImportMachineSet).getAll()]
    if not wants_page(request):
        return Response(json_body={"machines": machines}, vary=("Accept",))
    return {"title": "Code import machines", "machines": machines, "show": title}


def machine_page(context: Any, request: Request) -> Any:
    """One machine: its state, its jobs, its events, and forms to change it."""
    if not wants_page(request):
        return Response(json_body=describe_machine(context, getUtility(IClock).now()), vary=("Accept",))
    return _page(context)


def _page(machine: Any, notice: str = "") -> dict[str, Any]:
    shown = describe_machine(machine, getUtility(IClock).now())
    return {
        "title": f"{shown['hostname']}: {title(shown['state'])}",
        "machine": shown,
        "notice": notice,
        "may_edit": is_permitted(EDIT, machine),
        "transitions": _transitions(machine),
        "show": title,
    }


def _transitions(machine: Any) -> list[tuple[str, str]]:
    """The transitions that are possible: value and label of each button."""
    state = machine.state
    possible = {
        CodeImportMachineState.ONLINE: state is not CodeImportMachineState.ONLINE and not machine.cordon,
        CodeImportMachineState.OFFLINE: state is not CodeImportMachineState.OFFLINE,
        CodeImportMachineState.QUIESCING: state is CodeImportMachineState.ONLINE,
    }
    return [(wanted.name, f"Set {title(wanted.name)}") for wanted, shown in possible.items() if shown]


def _does(field: str, summary: str, *, needed: bool = False) -> Operation:
    """A change by one field; a browser is told on the page why it was not made."""
    said = {"type": "string", "pattern": r"\S"} if needed else TEXT
    done = changes(MACHINE, fields(*([field] if needed else []), **{field: said}), summary=summary)
    return replace(done, answers=(_NOT_DONE, done.answers[1]))


_NOT_DONE = Answer(200, "Done; for a browser, why not", {JSON: MACHINE, HTML: TEXT})
_forgets = does(
    "Delete a machine that will not come back",
    Answer(200, "Done; for a browser, why not", {JSON: obj(), HTML: TEXT}),
    redirects(303, "Done, for a browser"),
)


def change_machine(context: Any, request: Request) -> Any:
    """Set the state, from a form or a JSON body: ``state``, ``message``, and ``seen``, the state that the
    client was shown.  Where ``seen`` is not the present state, nothing is changed."""
    fields = fields_of(request)
    try:
        wanted = CodeImportMachineState[text(fields, "state")]
    except KeyError:
        raise HTTPBadRequest("state: ONLINE, OFFLINE or QUIESCING") from None
    try:
        if fields.get("seen", context.state.name) != context.state.name:
            raise WrongMachineState(context.hostname, context.state)
        set_state(context, wanted, text(fields, "message", ""))
    except (WrongMachineState, MachineCordoned, MachinePinned) as error:
        return _stale(context, request, wanted, error)
    return done(request, request.path, describe_machine(context, getUtility(IClock).now()))


@describes("/machines/{hostname}/+cordon", POST=_does("reason", "Give it no more jobs", needed=True))
@takes("POST")
def cordon_machine(context: Any, request: Request) -> Any:
    """``+cordon``: give the machine no more jobs, for the reason in ``reason``."""
    return _call(context, request, context.addCordon, "reason")


@describes("/machines/{hostname}/+uncordon", POST=_does("message", "Give it jobs again"))
@takes("POST")
def uncordon_machine(context: Any, request: Request) -> Any:
    """``+uncordon``: give the machine jobs again."""
    return _call(context, request, context.removeCordon, "message")


def _call(machine: Any, request: Request, method: Callable[[str], None], field: str) -> Any:
    try:
        method(text(fields_of(request), field, ""))
    except (MachineCordoned, NotCordoned, NoCordonReason) as error:
        if not wants_page(request):
            raise
        return _page(machine, f"Nothing was changed: {error}")
    described = describe_machine(machine, getUtility(IClock).now())
    return done(request, local_path(f"/machines/{machine.hostname}"), described)


@describes("/machines/{hostname}/+forget", POST=_forgets)
@takes("POST")
def forget_machine(context: Any, request: Request) -> Any:
    """``+forget``: delete a machine that will not come back."""
    try:
        getUtility(ICodeImportMachineSet).remove(context.hostname)
    except WrongMachineState as error:
        if not wants_page(request):
            raise
        return _page(context, f"The machine was not forgotten: {error}")
    return done(request, local_path("/machines"), {})


machine_index = describes(
    "/machines/{hostname}",
    GET=does("A machine, its jobs and its newest events", page_of(MACHINE)),
    POST=does(
        "Set the state",
        _NOT_DONE,
        redirects(303, "Done, for a browser"),
        body=fields(
            "state",
            state=one_of(CodeImportMachineState),
            message=TEXT,
            seen=told(TEXT, "the state that was shown; nothing is done if it is another by now"),
        ),
    ),
)(by_method(GET=machine_page, POST=change_machine))


def set_state(machine: Any, wanted: CodeImportMachineState, message: str) -> None:
    """Make the transition to `wanted`.  Raises WrongMachineState, MachinePinned and MachineCordoned."""
    if wanted is CodeImportMachineState.ONLINE:
        machine.setOnline(message)
    elif wanted is CodeImportMachineState.OFFLINE:
        machine.setOffline(CodeImportMachineOfflineReason.STOPPED, message)
    else:
        machine.setQuiescing(message)


def _stale(machine: Any, request: Request, wanted: CodeImportMachineState, error: Exception) -> Any:
    """The state has changed meanwhile: 409 for a program, the page with the present state for a person."""
    if not wants_page(request):
        return error_response(request, 409, str(error))
    return _page(
        machine,
        f"{machine.hostname} is {title(machine.state.name)} by now and was not set {title(wanted.name)}."
        " This page shows its present state.",
    )
