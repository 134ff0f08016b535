"""Machines in the web application: ``/machines``, as pages and as JSON."""

from collections.abc import Callable, Mapping
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
    WrongMachineState,
)
from librarian.machines.views.description import (
    MACHINE,
    MACHINE_LINE,
    describe_machine,
    summarize_machine,
    title,
)
from librarian.machines.views.forms import ButtonForm, CordonForm, StateForm
from librarian.machines.views.imports import Imports
from librarian.machines.views.scheduler import Scheduler
from librarian.security.interaction import is_permitted
from librarian.web.forms import PageForm, by_form, by_method, done, page, text
from librarian.web.interfaces import IAppSection
from librarian.web.openapi.declaring import (
    changes,
    describes,
    does,
    fields,
    gives,
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
def machines_page(context: Machines, request: Request) -> Response:
    """The list, A to Z."""
    now = getUtility(IClock).now()
    machines = [summarize_machine(machine, now) for machine in getUtility(ICodeImportMachineSet).getAll()]
    values = {"_title": "Code import machines", "_show": title, "machines": machines}
    return page(request, "librarian.machines:templates/machines.jinja2", values)


def machine_page(context: Any, request: Request, **forms: PageForm) -> Response:
    """One machine: its state, its jobs, its events, and forms to change it.

    `forms` are those that were refused: `state_form`, `cordon_form` or `button_form`.
    """
    shown = describe_machine(context, getUtility(IClock).now())
    values = {
        **shown,
        "_title": f"{shown['hostname']}: {title(shown['state'])}",
        "_machine": shown,
        "_may_edit": is_permitted(EDIT, context),
        "_transitions": _transitions(context),
        "_state_form": forms.get("state_form") or StateForm(),
        "_cordon_form": forms.get("cordon_form") or CordonForm(),
        "_button_form": forms.get("button_form") or ButtonForm(),
        "_show": title,
    }
    return page(request, "librarian.machines:templates/machine.jinja2", values)


def _transitions(machine: Any) -> list[tuple[str, str]]:
    """The transitions that are possible: value and label of each button."""
    state = machine.state
    possible = {
        CodeImportMachineState.ONLINE: state is not CodeImportMachineState.ONLINE and not machine.cordon,
        CodeImportMachineState.OFFLINE: state is not CodeImportMachineState.OFFLINE,
        CodeImportMachineState.QUIESCING: state is CodeImportMachineState.ONLINE,
    }
    return [(wanted.name, f"Set {title(wanted.name)}") for wanted, shown in possible.items() if shown]


def change_machine(context: Any, request: Request) -> Response:
    """Set the state, from a form or a JSON body: ``state``, ``message``, and ``seen``, the state that the
    client was shown.  Where ``seen`` is not the present state, nothing is changed."""

    def change(fields: Mapping[str, Any]) -> None:
        try:
            wanted = CodeImportMachineState[text(fields, "state")]
        except KeyError:
            raise HTTPBadRequest("state: ONLINE, OFFLINE or QUIESCING") from None
        if fields.get("seen", context.state.name) != context.state.name:
            raise WrongMachineState(context.hostname, context.state)
        set_state(context, wanted, text(fields, "message", ""))

    return _by_form(context, request, StateForm, "state_form", change)


def _by_form(
    machine: Any,
    request: Request,
    form: type[PageForm],
    name: str,
    change: Callable[[Mapping[str, Any]], None],
) -> Response:
    """The answer of by_form() to a change of a machine; `name` is what the template calls the form."""

    def answer(fields: Mapping[str, Any]) -> Response:
        change(fields)
        described = describe_machine(machine, getUtility(IClock).now())
        return done(request, local_path(f"/machines/{machine.hostname}"), described)

    return by_form(request, form, answer, lambda refused: machine_page(machine, request, **{name: refused}))


_REASON = {"type": "string", "pattern": r"\S"}


@describes(
    "/machines/{hostname}/+cordon",
    POST=changes(MACHINE, fields("reason", reason=_REASON), summary="Give it no more jobs"),
)
@takes("POST")
def cordon_machine(context: Any, request: Request) -> Response:
    """``+cordon``: give the machine no more jobs, for the reason in ``reason``."""

    def change(fields: Mapping[str, Any]) -> None:
        context.addCordon(text(fields, "reason", ""))

    return _by_form(context, request, CordonForm, "cordon_form", change)


@describes(
    "/machines/{hostname}/+uncordon",
    POST=changes(MACHINE, fields(message=TEXT), summary="Give it jobs again"),
)
@takes("POST")
def uncordon_machine(context: Any, request: Request) -> Response:
    """``+uncordon``: give the machine jobs again."""

    def change(fields: Mapping[str, Any]) -> None:
        context.removeCordon(text(fields, "message", ""))

    return _by_form(context, request, ButtonForm, "button_form", change)


@describes(
    "/machines/{hostname}/+forget",
    POST=changes(obj(), summary="Delete a machine that will not come back"),
)
@takes("POST")
def forget_machine(context: Any, request: Request) -> Response:
    """``+forget``: delete a machine that will not come back."""

    def change(fields: Mapping[str, Any]) -> Response:
        getUtility(ICodeImportMachineSet).remove(context.hostname)
        return done(request, local_path("/machines"), {})

    return by_form(request, ButtonForm, change, lambda form: machine_page(context, request, button_form=form))


machine_index = describes(
    "/machines/{hostname}",
    GET=does("A machine, its jobs and its newest events", page_of(MACHINE)),
    POST=does(
        "Set the state",
        gives(MACHINE),
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
