"""Machines in the web application: ``/machines``, for people and for their programs."""

from collections.abc import Callable
from typing import Any

from pyramid.httpexceptions import HTTPBadRequest
from pyramid.request import Request
from pyramid.response import Response
from zope.component import getUtility
from zope.interface import implementer
from zope.security.management import checkPermission

from librarian.interfaces import IClock
from librarian.machines.enums import CodeImportMachineOfflineReason, CodeImportMachineState
from librarian.machines.interfaces import (
    ICodeImportMachineSet,
    MachineCordoned,
    NoCordonReason,
    NotCordoned,
    WrongMachineState,
)
from librarian.machines.views.description import describe_machine, summarize_machine, title
from librarian.machines.views.imports import Imports
from librarian.machines.views.requests import fields_of, text_of
from librarian.machines.views.scheduler import Scheduler
from librarian.web.errors import error_response, wants_page
from librarian.web.forms import SeeOther, by_method
from librarian.web.requests.methods import takes
from librarian.web.views import IAppSection

EDIT = "librarian.machines.Edit"


class Machines:
    """``/machines``: holds every machine by its host name, the imports, and the daemons' door."""

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
    description = "The machines that import code, what they are doing, and why those that are quiet are."

    def root(self, parent: Any, request: Request) -> Machines:
        return Machines(parent)


machines_section = MachinesSection()


def machines_page(context: Machines, request: Request) -> Any:
    """The list, A to Z."""
    now = getUtility(IClock).now()
    machines = [summarize_machine(machine, now) for machine in getUtility(ICodeImportMachineSet).getAll()]
    if not wants_page(request):
        return Response(json_body={"machines": machines}, vary=("Accept",))
    return {"title": "Code import machines", "machines": machines, "show": title}


def machine_page(context: Any, request: Request) -> Any:
    """One machine: its state, its jobs, what happened, and what may be done about it."""
    if not wants_page(request):
        return Response(json_body=describe_machine(context, getUtility(IClock).now()), vary=("Accept",))
    return _page(context)


def _page(machine: Any, notice: str = "") -> dict[str, Any]:
    told = describe_machine(machine, getUtility(IClock).now())
    return {
        "title": f"{told['hostname']}: {title(told['state'])}",
        "machine": told,
        "notice": notice,
        "may_edit": checkPermission(EDIT, machine),
        "verbs": _verbs(machine),
        "show": title,
    }


def _verbs(machine: Any) -> list[tuple[str, str]]:
    """The states a person may choose: value and label of each button."""
    state = machine.state
    possible = {
        CodeImportMachineState.ONLINE: state is not CodeImportMachineState.ONLINE and not machine.cordon,
        CodeImportMachineState.OFFLINE: state is not CodeImportMachineState.OFFLINE,
        CodeImportMachineState.QUIESCING: state is CodeImportMachineState.ONLINE,
    }
    return [(wanted.name, f"Set {title(wanted.name)}") for wanted, shown in possible.items() if shown]


def change_machine(context: Any, request: Request) -> Any:
    """Set the state, as the form or a JSON body wants: ``state``, ``message``, and ``seen``, the state
    the machine was in when whoever asks looked at it."""
    fields = fields_of(request)
    try:
        wanted = CodeImportMachineState[text_of(fields, "state")]
    except KeyError:
        raise HTTPBadRequest("state: ONLINE, OFFLINE or QUIESCING") from None
    try:
        if fields.get("seen", context.state.name) != context.state.name:
            raise WrongMachineState(context.hostname, context.state)
        set_state(context, wanted, text_of(fields, "message", ""))
    except (WrongMachineState, MachineCordoned) as error:
        return _stale(context, request, wanted, error)
    if not wants_page(request):
        return Response(json_body=describe_machine(context, getUtility(IClock).now()))
    return SeeOther(request.path)


@takes("POST")
def cordon_machine(context: Any, request: Request) -> Any:
    """``+cordon``: hold the machine out of service, for the reason in ``reason``."""
    return _done_to(context, request, context.addCordon, "reason")


@takes("POST")
def uncordon_machine(context: Any, request: Request) -> Any:
    """``+uncordon``: let it take jobs again."""
    return _done_to(context, request, context.removeCordon, "message")


def _done_to(machine: Any, request: Request, verb: Callable[[str], None], word: str) -> Any:
    try:
        verb(text_of(fields_of(request), word, ""))
    except (MachineCordoned, NotCordoned, NoCordonReason) as error:
        if not wants_page(request):
            raise
        return _page(machine, f"Nothing was changed: {error}")
    if not wants_page(request):
        return Response(json_body=describe_machine(machine, getUtility(IClock).now()))
    return SeeOther(f"/machines/{machine.hostname}")


@takes("POST")
def forget_machine(context: Any, request: Request) -> Any:
    """``+forget``: the machine is gone for good."""
    try:
        getUtility(ICodeImportMachineSet).remove(context.hostname)
    except WrongMachineState as error:
        if not wants_page(request):
            raise
        return _page(context, f"It was not forgotten: {error}")
    return SeeOther("/machines") if wants_page(request) else Response(json_body={})


machine_index = by_method(GET=machine_page, POST=change_machine)


def set_state(machine: Any, wanted: CodeImportMachineState, message: str) -> None:
    """The verb that leads to `wanted`.  Raises WrongMachineState."""
    if wanted is CodeImportMachineState.ONLINE:
        machine.setOnline(message)
    elif wanted is CodeImportMachineState.OFFLINE:
        machine.setOffline(CodeImportMachineOfflineReason.STOPPED, message)
    else:
        machine.setQuiescing(message)


def _stale(machine: Any, request: Request, wanted: CodeImportMachineState, error: Exception) -> Any:
    """Nobody did wrong: the machine has moved on.  A person gets the page as it is now."""
    if not wants_page(request):
        return error_response(request, 409, str(error))
    return _page(
        machine,
        f"{machine.hostname} is {title(machine.state.name)} by now, so it was not set {title(wanted.name)}."
        " What you see below is how it is at this moment.",
    )


def conflict(context: Exception, request: Request) -> Response:
    """What is asked does not fit what is: another name is taken, a job is already running."""
    return error_response(request, 409, str(context))
