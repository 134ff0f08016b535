"""A layer contract that knows where a system belongs, so that a new one needs no line in pyproject.toml."""

from typing import Any

from grimp import ImportGraph
from importlinter.contracts.layers import Layer, LayersContract, ModuleTail
from importlinter.domain.contract import ContractCheck

SYSTEMS = "systems"  # the name of the layer that this contract fills


class SystemLayers(LayersContract):
    """A layers contract in which `systems` stands for every package that no layer names.

    Systems do not import each other.  A module (not a package) that no layer names is still an error.
    """

    type_name = "system-layers"

    # import-linter reads every attribute in dir(); what zope.interface has put on ABC, a base, raises here.
    __provides__ = None

    # import-linter declares fields on the class and puts the parsed values on the instance.
    layers: Any
    containers: Any

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:
        (container,) = (str(expression) for expression in self.containers)
        named = {tail.name for layer in self.layers for tail in layer.module_tails}
        packages = {child for child in graph.find_children(container) if graph.find_children(child)}
        systems = {package.removeprefix(f"{container}.") for package in packages} - named
        self.layers = [filled(layer, systems) for layer in self.layers]
        return super().check(graph, verbose)


def filled(layer: Layer, systems: set[str]) -> Layer:
    if SYSTEMS not in {tail.name for tail in layer.module_tails}:
        return layer
    return Layer({ModuleTail(name, is_optional=True) for name in systems | {SYSTEMS}}, is_independent=True)
