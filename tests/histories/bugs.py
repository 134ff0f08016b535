"""Faults of the product, one for each kind of object, planted in servers and clients, for a checker to see.

Each takes away a check or an invalidation that the promise of its kind rests on, and shows where one process
serves as well: there commits follow one another, so no fault in the merging of two would show.
"""

from typing import Any
from unittest import mock

from librarian.library.model.tokens import TimeLimitedToken
from librarian.library.quotas.rules import QuotaRules
from librarian.machines.enums import CodeImportMachineState
from librarian.machines.interfaces import WrongMachineState
from librarian.machines.model.machines import CodeImportMachine
from librarian.mirrors.runs.claims import Claimer
from librarian.naming import writing
from librarian.serving.http.file_lane import FileLane
from librarian.tracker.model import StoredVersion

PLANT = "from tests.histories.bugs import plant_all; plant_all()"


def file_lane_forgets_nothing() -> None:
    """file: what is answered without the application outlives a deletion."""
    FileLane.changed = lambda self, oids: None  # type: ignore[method-assign]


def older_versions_win() -> None:
    """tracker: a put of an older version replaces a newer one."""
    StoredVersion.prevails = lambda self, version, rule: False  # type: ignore[method-assign]


def one_use_more() -> None:
    """link: it is good for one download more than it was made for."""
    TimeLimitedToken._exhausted = lambda self: (  # type: ignore[method-assign]
        self.max_uses is not None and self.uses > self.max_uses
    )


def nothing_is_too_much() -> None:
    """quota: it is counted and shown, and refuses nothing."""
    for name in ("require", "room", "admit"):
        mock.patch.object(QuotaRules, name, lambda self, *asked: None).start()


def conditions_hold() -> None:
    """tree: If-Match and If-None-Match are not looked at."""
    mock.patch.object(writing, "refuses_write", lambda conditions, etag: False).start()


def every_transition_is_made() -> None:
    """machine: a transition to the state that a machine is in makes one more event."""
    change = CodeImportMachine.change_state

    def change_state(self: Any, wanted: CodeImportMachineState, *rest: Any) -> None:
        try:
            change(self, wanted, *rest)
        except WrongMachineState:
            self._p_changed = True

    CodeImportMachine.change_state = change_state  # type: ignore[method-assign, assignment]


def every_claim_is_granted() -> None:
    """claim: a mirror that another process probes is taken."""

    def claim(self: Any, mirror: Any, now: Any) -> bool:
        mirror.claim = (self.token, now + self._lifetime, self._process)
        return True

    Claimer.claim = claim  # type: ignore[method-assign]


BUGS = {
    "file": file_lane_forgets_nothing,
    "tracker": older_versions_win,
    "link": one_use_more,
    "quota": nothing_is_too_much,
    "tree": conditions_hold,
    "machine": every_transition_is_made,
    "claim": every_claim_is_granted,
}


def plant_all() -> None:
    """One for each kind."""
    for bug in BUGS.values():
        bug()
