"""Large layers in parts, so that their tests run side by side: zope.testrunner's `-j` spreads layers alone.

Each part is a layer above the one that is divided, with a share of its test modules.  A process that was
started for one part finds the same parts by itself, as the shares depend on the tests alone.
"""

import unittest
from collections import defaultdict
from collections.abc import Iterable

from zope.testrunner.feature import Feature
from zope.testrunner.find import name_from_layer
from zope.testrunner.runner import Runner, layer_from_name

PARTS = 4
FEWEST_MODULES = 12  # a layer with fewer is left whole: each part sets the layer up anew
HOOKS = ("setUp", "tearDown", "testSetUp", "testTearDown")


class SpreadOut(Feature):
    """Divides large layers where there is more than one process to run them."""

    def __init__(self, runner: Runner) -> None:
        super().__init__(runner)
        self.active = runner.options.processes > 1

    def global_setup(self) -> None:
        layers = self.runner.tests_by_layer_name
        for name in list(layers):
            modules = by_module(layers[name])
            if len(modules) < FEWEST_MODULES:
                continue
            layer = layer_from_name(name)
            del layers[name]
            for number, tests in enumerate(shares(modules.values()), 1):
                layers[name_from_layer(part_of(layer, number))] = unittest.TestSuite(tests)


def by_module(tests: Iterable[unittest.TestCase]) -> dict[str, list[unittest.TestCase]]:
    """The tests of each module; a document is a module of its own."""
    modules: dict[str, list[unittest.TestCase]] = defaultdict(list)
    for test in tests:
        module = type(test).__module__
        modules[test.id() if module == "doctest" else module].append(test)
    return modules


def shares(modules: Iterable[list[unittest.TestCase]]) -> list[list[unittest.TestCase]]:
    """The modules in PARTS lists with about as many tests in each; a module stays together."""
    parts: list[list[unittest.TestCase]] = [[] for _number in range(PARTS)]
    for tests in sorted(modules, key=len, reverse=True):
        min(parts, key=len).extend(tests)
    return parts


def part_of(layer: type, number: int) -> type:
    """A layer above `layer` that adds nothing: inherited hooks would be called a second time."""
    idle = {hook: classmethod(lambda cls: None) for hook in HOOKS if hasattr(layer, hook)}
    return type(f"{layer.__name__}{number}", (layer,), {"__module__": layer.__module__, **idle})
