"""How runs of upkeep ended, kept in the tree for the operator's page and for alerts."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from librarian.interfaces import one_line
from librarian.library.operations import Library
from librarian.library.upkeep.model import Outcome, UpkeepSubtree

log = logging.getLogger(__name__)

LONGEST = 300  # characters of a result


class Ending:
    """What a run says of itself before it ends."""

    result = ""
    is_well = True

    def say(self, result: str, is_well: bool = True) -> None:
        """State the result in one line, and whether it needs no attention."""
        self.result, self.is_well = result, is_well


@contextmanager
def recorded(task: str) -> Iterator[Ending]:
    """Record how the `with` ended, in a transaction of its own.

    What is raised in it is a failure, and passes.  A record that cannot be written is logged, and
    changes nothing for the run.
    """
    library, ending = Library(), Ending()
    began = library.clock.now()
    try:
        yield ending
    except BaseException as error:
        ending.say(one_line(error) or type(error).__name__, is_well=False)
        raise
    finally:
        outcome = Outcome(task, began, library.clock.now(), ending.result[:LONGEST], ending.is_well)
        _write(library, outcome)


def _write(library: Library, outcome: Outcome) -> None:
    def note() -> None:
        subtree: UpkeepSubtree = library.tree.subtree("upkeep")
        subtree.note_outcome(outcome)

    try:
        library.tree.run_independently(note)
    except Exception as error:  # noqa: BLE001  # whatever an engine raises
        log.warning("outcome not recorded task=%s error=%r", outcome.task, error)
