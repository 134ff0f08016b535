"""A machine as it is stored, and its cordon."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from persistent import Persistent
from zope.interface import implementer

from librarian.machines.enums import (
    TRANSITIONS,
    CodeImportMachineOfflineReason,
    CodeImportMachineState,
)
from librarian.machines.interfaces import ICordon, MachineCordoned, WrongMachineState
from librarian.machines.model.events import ChangeContext


@implementer(ICordon)
@dataclass(frozen=True)
class Cordon:
    """Why a machine gets no job, by whose decision and since when.  A value: a new cordon is a new object."""

    reason: str
    person: str | None  # a person's name; None: a program
    since: datetime  # aware, UTC


class CodeImportMachine(Persistent):
    """The state of one machine.

    State, heartbeat and job ids are one persistent object on purpose: two transactions that each decide
    by one of them get a write conflict, and the later one is repeated with what the first has stored.
    """

    cordon: Cordon | None = None

    def __init__(self, hostname: str, state: CodeImportMachineState, now: datetime) -> None:
        self.hostname = hostname
        self.date_created = now
        self.heartbeat: datetime | None = None
        self.job_ids: tuple[int, ...] = ()
        self._state = state
        self.state_since = now
        self.last_sign_of_life = now  # of heartbeat and state change the one that was last recorded
        self.offline_reason: CodeImportMachineOfflineReason | None = None
        self.pinned = False  # a person took it out of service, which its daemon may not undo
        self.pinned_by: str | None = None  # the name of that person
        self.message: str | None = None

    def __repr__(self) -> str:
        return f"<CodeImportMachine {self.hostname} {self._state.name}>"

    @property
    def state(self) -> CodeImportMachineState:
        """The present state; change_state() is the only way to another."""
        return self._state

    def change_state(
        self,
        wanted: CodeImportMachineState,
        context: ChangeContext,
        reason: CodeImportMachineOfflineReason | None = None,
    ) -> None:
        """Take on the state `wanted`; a person who leaves ONLINE by this pins the machine.

        Raises WrongMachineState where TRANSITIONS does not lead from the present state to `wanted`.
        """
        if wanted not in TRANSITIONS[self._state]:
            raise WrongMachineState(self.hostname, self._state)
        self._state = wanted
        self.state_since = self.last_sign_of_life = context.now
        self.offline_reason = reason
        self.message = context.message
        if wanted is CodeImportMachineState.ONLINE:
            self.pinned, self.pinned_by = False, None
        elif context.actor is not None or reason is CodeImportMachineOfflineReason.QUIESCED:
            self.pinned, self.pinned_by = True, context.actor or self.pinned_by

    def refuse_if_cordoned(self) -> None:
        """Raises MachineCordoned."""
        if self.cordon is not None:
            raise MachineCordoned(self.hostname, self._state, self.cordon.person, self.cordon.reason)

    def record_heartbeat(self, now: datetime) -> None:
        """Its controller reported at `now` (aware, UTC)."""
        self.heartbeat = self.last_sign_of_life = now

    def silent_for(self, now: datetime) -> timedelta:
        """The time since the last heartbeat or state change; 0 after the clock was set back."""
        return max(now - self.last_sign_of_life, timedelta(0))
