"""Subtrees of the root, and the numbered steps that bring an old one up to date.

zope.generations keeps the number each subtree is at, in the same transaction as the step itself.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from transaction.interfaces import TransientError
from ZODB.DB import DB
from zope.generations.generations import Context, evolve
from zope.generations.interfaces import GenerationTooHigh, UnableToEvolve
from zope.interface import implementer

from librarian.tree.class_names import rewrite
from librarian.tree.interfaces import ISubtree, TreeTooNew
from librarian.tree.retrying import retrying

Step = Callable[[Any], None]


def store_new_class_names(subtree: Any) -> None:
    """A step for each time that classes were moved or renamed: store what is stored under the new names.

    It does so for the whole database, in independent transactions, as objects of other subtrees refer to
    those of this one.  Its number keeps older code, which does not know the new names, from the database.
    """
    rewrite(subtree._p_jar.db())


@implementer(ISubtree)  # type: ignore[misc]  # its base in zope.generations has no types
class Subtree:
    """A subtree made by `factory`; ``steps[n]`` takes an old one from generation n to n + 1.

    A step is given the subtree object.  A new database gets the newest subtree at once and runs
    no step, so `factory` always makes what the last step would leave.
    """

    minimum_generation = 0

    def __init__(
        self,
        name: str,
        factory: Callable[[], Any],
        steps: Sequence[Step] = (),
        former_names: Mapping[str, Any] | None = None,
    ) -> None:
        self.name = name
        self.factory = factory
        self.steps = tuple(steps)
        self.former_names = former_names or {}
        # Every step must succeed: serving a half-upgraded tree is worse than not starting.
        self.generation = self.minimum_generation = len(self.steps)

    def install(self, context: Context) -> None:
        context.connection.root()[self.name] = self.factory()

    def evolve(self, context: Context, generation: int) -> None:
        self.steps[generation - 1](context.connection.root()[self.name])

    def getInfo(self, generation: int) -> str | None:
        return self.steps[generation - 1].__doc__


def bring_up_to_date(database: DB) -> None:
    """Make missing subtrees and run the steps that an old database still needs.  Raises TreeTooNew."""
    try:
        retrying(lambda: _evolve(database))
    except GenerationTooHigh as error:
        found, name, known = error.args
        raise TreeTooNew(name, found, known) from error


def _evolve(database: DB) -> None:
    try:
        evolve(database)
    except UnableToEvolve as error:
        # Several processes that start at the same time run the same step; all but one meet a conflict.
        if isinstance(error.__context__, TransientError):
            raise error.__context__ from None
        raise
