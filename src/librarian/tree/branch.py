"""Branches of the root, and the numbered steps that bring an old one up to date.

zope.generations keeps the number each branch is at, in the same transaction as the step itself.
"""

from collections.abc import Callable, Sequence
from typing import Any

from zope.generations.generations import Context
from zope.interface import implementer

from librarian.tree.interfaces import IBranch

Step = Callable[[Any], None]


@implementer(IBranch)  # type: ignore[misc]  # its base in zope.generations has no types
class Branch:
    """A branch made by `factory`; ``steps[n]`` takes an old one from generation n to n + 1.

    A step is given the branch object.  A new database gets the newest branch at once and runs
    no step, so `factory` always makes what the last step would leave.
    """

    minimum_generation = 0

    def __init__(self, name: str, factory: Callable[[], Any], steps: Sequence[Step] = ()) -> None:
        self.name = name
        self.factory = factory
        self.steps = tuple(steps)
        # Every step must succeed: serving a half-upgraded tree is worse than not starting.
        self.generation = self.minimum_generation = len(self.steps)

    def install(self, context: Context) -> None:
        context.connection.root()[self.name] = self.factory()

    def evolve(self, context: Context, generation: int) -> None:
        self.steps[generation - 1](context.connection.root()[self.name])

    def getInfo(self, generation: int) -> str | None:
        return self.steps[generation - 1].__doc__
