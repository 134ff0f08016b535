"""Subtrees of the root, and the numbered steps that bring an old one up to date.

zope.generations keeps the number each subtree is at, in the same transaction as the step itself.
"""

from collections.abc import Callable, Sequence
from typing import Any

from zope.generations.generations import Context
from zope.interface import implementer

from librarian.tree.interfaces import ISubtree

Step = Callable[[Any], None]


def store_new_class_name(subtree: Any) -> None:
    """Have a subtree stored under the name that its class has now; a step, where a class was renamed.

    The root is stored as well, because a reference in ZODB holds the class of what it leads to.
    """
    subtree._p_changed = True
    subtree._p_jar.root()._p_changed = True


@implementer(ISubtree)  # type: ignore[misc]  # its base in zope.generations has no types
class Subtree:
    """A subtree made by `factory`; ``steps[n]`` takes an old one from generation n to n + 1.

    A step is given the subtree object.  A new database gets the newest subtree at once and runs
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
