"""The shape of this checkout: what is wanted beside today's figures.

`bin/py tools/measures.py [-v] [folder ...]`: `-v` lists the offenders, each as `path:line: what`; folders
limit everything to what lies in them.  Ends with 1 when a measure that is enforced no longer holds; bin/check
runs it over the whole checkout.

What is counted:

* modules of a folder: its `.py` files without `__init__.py`;
* lines of a file: all of them; lines of a function: from `def` to its last line, without its docstring;
* a module cycle: modules that import each other in a ring; a package cycle: the same of the packages and
  modules of one folder, each taken with everything below it (import-linter calls such siblings not acyclic);
* interfaces and errors: public classes (their bases tell: by their names, also those of other packages, or as
  such classes themselves);
* stored classes outside a model: those derived from Persistent or from a BTree (their bases' names tell) in
  modules that neither are named `model` nor lie in a package named so; the indexes of `tree`, of which the
  models of several packages are made, do not count;
* look-ups in a model: uses and imports of zope.component's registry in modules named `model` or in packages
  named so;
* booleans in doctests: examples whose whole output is True or False, as a share of the examples with output;
* functions without a docstring or a contract: see tools.docstrings;
* duplicates: see tools.shapes.
"""

import ast
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from doctest import DocTestParser
from functools import cache
from pathlib import Path
from typing import TypeVar

import grimp

from tools import docstrings
from tools.cycles import rings, siblings
from tools.shapes import duplicates

CHECKOUT = Path(__file__).resolve().parent.parent
PACKAGE = "librarian"
SOURCE = f"src/{PACKAGE}"

Node = TypeVar("Node", bound=ast.AST)

HOME = "interfaces.py"
INTERFACES = re.compile(r"Interface|I[A-Z][a-z]\w*")
ERRORS = re.compile(r"\w+(Error|Exception|Warning)|Exception")
STORED = re.compile(r"Persistent(Mapping|List)?|\w*(BTree|TreeSet)")
STORED_OF_ALL = f"{SOURCE}/tree/"
LOOK_UPS = re.compile(
    r"(get|query)(Utility|Adapter|MultiAdapter|SiteManager)|getUtilitiesFor|getAllUtilitiesRegisteredFor"
    r"|getAdapters|getGlobalSiteManager|subscribers"
)


@dataclass(frozen=True)
class Item:
    """One thing measured: a file, a function, a breach."""

    where: str  # path:line, from the checkout's root
    value: int
    what: str

    def lies_in(self, folders: Sequence[str]) -> bool:
        path = self.where.partition(":")[0]
        return not folders or any(path == folder or path.startswith(f"{folder}/") for folder in folders)


def ninth_tenth(values: Sequence[int]) -> int:
    """The 90th percentile, by the nearest rank."""
    return sorted(values)[max(0, -(-len(values) * 9 // 10) - 1)] if values else 0


def largest(values: Sequence[int]) -> int:
    return max(values, default=0)


def percentage(values: Sequence[int]) -> float:
    return round(100 * sum(values) / len(values), 1) if values else 0


@dataclass(frozen=True)
class Measure:
    """A figure made of many items.  An item with more than `limit` is an offender, which `-v` lists."""

    name: str
    items: Callable[[], Iterable[Item]]
    figure: Callable[[Sequence[int]], float] = sum
    wanted: float = 0
    limit: int = 0
    enforced: bool = True


def main() -> None:
    verbose = "-v" in sys.argv[1:]
    folders = [argument.rstrip("/") for argument in sys.argv[1:] if argument != "-v"]
    broken = [measure.name for measure in MEASURES if not report(measure, folders, verbose)]
    if broken:
        sys.exit(f"measures: no longer held: {', '.join(broken)}")


def report(measure: Measure, folders: Sequence[str], verbose: bool) -> bool:
    """Print one line of the table, and the offenders; False when an enforced measure does not hold."""
    items = [item for item in measure.items() if item.lies_in(folders)]
    today = measure.figure([item.value for item in items])
    holds = today <= measure.wanted
    mark = "" if holds else "  <- enforced" if measure.enforced else "  <- not yet"
    print(f"{measure.name:48} {measure.wanted:>6} {today:>6}{mark}")
    if verbose:
        for item in sorted(items, key=lambda item: (-item.value, item.where)):
            if item.value > measure.limit:
                print(f"    {item.where}: {item.what}")
    return holds or not measure.enforced


# Files.


@cache
def files(folder: str, pattern: str) -> list[tuple[str, str]]:
    """Path and text of each file, in the order of paths."""
    found = sorted((CHECKOUT / folder).rglob(pattern))
    return [(str(path.relative_to(CHECKOUT)), path.read_text()) for path in found]


@cache
def modules() -> list[tuple[str, ast.Module]]:
    return [(path, ast.parse(text)) for path, text in files(SOURCE, "*.py")]


def folder_sizes() -> Iterator[Item]:
    paths = [Path(path) for path, _ in files(SOURCE, "*.py")]
    for folder in sorted({path.parent for path in paths}):
        size = sum(path.parent == folder and path.name != "__init__.py" for path in paths)
        yield Item(str(folder), size, f"{size} modules")


def lengths(folder: str, pattern: str) -> Callable[[], Iterator[Item]]:
    def items() -> Iterator[Item]:
        for path, text in files(folder, pattern):
            count = len(text.splitlines())
            yield Item(path, count, f"{count} lines")

    return items


# Code.


def nodes(tree: ast.AST, kind: type[Node]) -> Iterator[Node]:
    return (node for node in ast.walk(tree) if isinstance(node, kind))


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    yield from nodes(tree, ast.FunctionDef)
    yield from nodes(tree, ast.AsyncFunctionDef)


def function_sizes() -> Iterator[Item]:
    for path, tree in modules():
        for node in functions(tree):
            size = function_lines(node)
            yield Item(f"{path}:{node.lineno}", size, f"{node.name} has {size} lines")


def function_lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    lines = (node.end_lineno or node.lineno) - node.lineno + 1
    if ast.get_docstring(node, clean=False) is not None:
        lines -= (node.body[0].end_lineno or 0) - node.body[0].lineno + 1
    return lines


def local_imports() -> Iterator[Item]:
    for path, tree in modules():
        inside = {node for function in functions(tree) for node in ast.walk(function)}
        for node in inside:
            if isinstance(node, ast.Import | ast.ImportFrom):
                yield Item(f"{path}:{node.lineno}", 1, ast.unparse(node))


def classes_outside(roots: re.Pattern[str]) -> Callable[[], Iterator[Item]]:
    """Public classes derived from those named, in modules that are not `interfaces`."""

    def items() -> Iterator[Item]:
        found = [(path, node) for path, tree in modules() for node in nodes(tree, ast.ClassDef)]
        family = derived(roots, [node for _, node in found])
        for path, node in found:
            if node.name in family and not node.name.startswith("_") and Path(path).name != HOME:
                yield Item(f"{path}:{node.lineno}", 1, node.name)

    return items


def stored_outside_models() -> Iterator[Item]:
    found = [(path, node) for path, tree in modules() for node in nodes(tree, ast.ClassDef)]
    family = derived(STORED, [node for _, node in found])
    for path, node in found:
        bases = base_names(node)  # a class may be called like a stored one elsewhere
        stored = bases & family or any(map(STORED.fullmatch, bases))
        if stored and not is_model(path) and not path.startswith(STORED_OF_ALL):
            yield Item(f"{path}:{node.lineno}", 1, node.name)


def is_model(path: str) -> bool:
    """Whether this is a module named `model`, or lies in a package named so."""
    return "model" in Path(path).with_suffix("").parts


def derived(roots: re.Pattern[str], classes: list[ast.ClassDef]) -> set[str]:
    """The names of the classes that have a base of such a name, or one of these classes."""
    family = {node.name for node in classes if any(map(roots.fullmatch, base_names(node)))}
    while more := {node.name for node in classes if base_names(node) & family} - family:
        family |= more
    return family


def base_names(node: ast.ClassDef) -> set[str]:
    return {last_name(base) for base in node.bases}


def model_look_ups() -> Iterator[Item]:
    for path, tree in modules():
        if is_model(path):
            for line, name in look_ups(tree):
                yield Item(f"{path}:{line}", 1, name)


def look_ups(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Line and name of each; an import counts too, as it may give another name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Name | ast.Attribute) and LOOK_UPS.fullmatch(last_name(node)):
            yield node.lineno, ast.unparse(node)
        if isinstance(node, ast.ImportFrom):
            yield from ((node.lineno, alias.name) for alias in node.names if LOOK_UPS.fullmatch(alias.name))


def last_name(node: ast.expr) -> str:
    return ast.unparse(node).rpartition(".")[2]


# Imports.


@cache
def graph() -> grimp.ImportGraph:
    return grimp.build_graph(PACKAGE, cache_dir=None)


def module_cycles() -> Iterator[Item]:
    edges = {module: set(graph().find_modules_directly_imported_by(module)) for module in graph().modules}
    yield from ring_items(rings(edges))


def package_cycles() -> Iterator[Item]:
    for package in sorted(graph().modules):
        yield from ring_items(rings(siblings(graph(), package)))


def ring_items(found: list[list[str]]) -> Iterator[Item]:
    for ring in found:
        yield Item(f"src/{ring[0].replace('.', '/')}", 1, " -> ".join(ring))


# Doctests.


def doctest_booleans() -> Iterator[Item]:
    for path, text in files("doctests", "*.rst"):
        for example in DocTestParser().get_examples(text):
            if example.want:
                boolean = example.want.strip() in ("True", "False")
                yield Item(f"{path}:{example.lineno + 1}", int(boolean), example.source.strip())


def same_shapes() -> Iterator[Item]:
    for first, second, size in duplicates(files(SOURCE, "*.py")):
        yield Item(first, 1, f"{size} lines of the shape of {second}")


def unexplained() -> Iterator[Item]:
    for module in docstrings.modules(PACKAGE):
        path = Path(module.__file__ or "").relative_to(CHECKOUT)
        for function, name, explained in docstrings.public_functions(module):
            yield Item(f"{path}:{function.__code__.co_firstlineno}", int(not explained), name)


MEASURES = [
    Measure("modules of a folder, at most", folder_sizes, largest, 12, 12),
    Measure("lines of a file, 9 of 10 at most", lengths(SOURCE, "*.py"), ninth_tenth, 300, 300),
    Measure("lines of a file, at most", lengths(SOURCE, "*.py"), largest, 450, 450),
    Measure("lines of a test file, at most", lengths("tests", "*.py"), largest, 450, 450),
    Measure("lines of a doctest, at most", lengths("doctests", "*.rst"), largest, 250, 250),
    Measure("lines of a function, 9 of 10 at most", function_sizes, ninth_tenth, 18, 18),
    Measure("lines of a ZCML file, at most", lengths(SOURCE, "*.zcml"), largest, 60, 60),
    Measure("module cycles", module_cycles),
    Measure("package cycles", package_cycles),
    Measure("imports in functions", local_imports),
    Measure("interfaces outside interfaces.py", classes_outside(INTERFACES)),
    Measure("errors outside interfaces.py", classes_outside(ERRORS)),
    Measure("stored classes outside a model", stored_outside_models),
    Measure("look-ups in a model", model_look_ups),
    Measure("public functions without docstring or contract", unexplained),
    Measure("doctest outputs only True or False, per cent", doctest_booleans, percentage, 3),
    Measure("duplicates by shape, six lines and more", same_shapes),
]


if __name__ == "__main__":
    main()
