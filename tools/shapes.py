"""Runs of lines that have the same shape in two places.

The shape of a logical line is its tokens with every name, string and number replaced by its kind (keywords
and operators stay), and but for the first line of a run the steps of indentation before it.  A run is six
lines or more that follow each other in one file and have, line by line, the shapes of as many that follow
each other in another file or further down in the same one.  What does not count, and so ends a run:

* imports, docstrings and other bare strings;
* declarations: assignments in the body of a module or a class (fields of a dataclass, attributes of an
  interface, constants, tables), `class` lines, decorators, and functions that have no body but a docstring,
  `...` or `pass`, in whatever module they stand; so an interface and its implementation are never a pair.

A bracket of data is one logical line, however long.  A run with fewer than four different shapes in it
(`x = f(y)` six times) is a table as well and does not count.
"""

import ast
import io
import keyword
import tokenize
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

LEAST = 6  # lines in a run
DIFFERENT = 4  # shapes in a run
LAYOUT = {tokenize.NL, tokenize.COMMENT, tokenize.ENCODING, tokenize.ENDMARKER}
KINDS = {tokenize.NAME: "name", tokenize.STRING: "text", tokenize.NUMBER: "number"}
NAMING = ast.Import | ast.ImportFrom | ast.ClassDef
STEPS = {tokenize.INDENT: ">", tokenize.DEDENT: "<"}


@dataclass(frozen=True)
class Line:
    """A logical line that counts.  Lines follow each other when their places do."""

    path: str
    number: int
    steps: str  # of indentation, from the line before
    shape: str
    place: int


def duplicates(sources: Iterable[tuple[str, str]]) -> Iterator[tuple[str, str, int]]:
    """Both places (`path:line`) and the length in lines of every run, in files given as path and text.

    Of three places alike, the second and the third are each told with the first.
    """
    lines = counted(sources)
    for first, *others in windows(lines).values():
        for other in others:
            size = common(lines, first, other)
            shapes = {line.shape for line in lines[first : first + size]}
            begins = common(lines, first - 1, other - 1) <= 1
            if begins and size >= LEAST and len(shapes) >= DIFFERENT:
                yield told(lines[first]), told(lines[other]), size


def told(line: Line) -> str:
    return f"{line.path}:{line.number}"


def windows(lines: list[Line]) -> dict[tuple[str, ...], list[int]]:
    """The indices at which each sequence of LEAST shapes begins."""
    found: dict[tuple[str, ...], list[int]] = defaultdict(list)
    for index in range(len(lines) - LEAST + 1):
        window = lines[index : index + LEAST]
        if window[-1].place - window[0].place == LEAST - 1:
            found[(window[0].shape, *(line.steps + line.shape for line in window[1:]))].append(index)
    return found


def common(lines: list[Line], first: int, other: int) -> int:
    """How many lines from these two indices on are alike, without overlap."""
    size = 0
    while first >= 0 and first + size < other and other + size < len(lines):
        one, two = lines[first + size], lines[other + size]
        follows = one.place - lines[first].place == two.place - lines[other].place == size
        if one.shape != two.shape or not follows or (size and one.steps != two.steps):
            break
        size += 1
    return size


def counted(sources: Iterable[tuple[str, str]]) -> list[Line]:
    lines: list[Line] = []
    place = 0
    for path, text in sources:
        skipped = declarations(ast.parse(text))
        place += 1  # files do not follow each other
        for number, steps, shape in logical_lines(text):
            place += 1
            if number not in skipped:
                lines.append(Line(path, number, steps, shape, place))
    return lines


def logical_lines(text: str) -> Iterator[tuple[int, str, str]]:
    """The number of the first physical line, the steps and the shape of each logical line."""
    number, steps = 0, ""
    shape: list[str] = []
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type in STEPS:
            steps += STEPS[token.type]
        elif token.type == tokenize.NEWLINE:
            yield number, steps, " ".join(shape)
            steps, shape = "", []
        elif token.type not in LAYOUT:
            number = number if shape else token.start[0]
            shape.append(
                token.string if keyword.iskeyword(token.string) else KINDS.get(token.type, token.string)
            )


def declarations(tree: ast.Module) -> set[int]:
    """The lines at which imports, bare strings and declarations begin."""
    return {node.lineno for node in declaring(tree)}


def declaring(tree: ast.Module) -> Iterator[ast.stmt | ast.expr]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef):
            yield from (child for child in node.body if isinstance(child, ast.Assign | ast.AnnAssign))
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield from node.decorator_list
        if isinstance(node, ast.stmt) and (isinstance(node, NAMING) or is_empty(node) or is_text(node)):
            yield node


def is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def is_nothing(node: ast.AST) -> bool:
    return isinstance(node, ast.Pass) or is_text(node)


def is_empty(node: ast.AST) -> bool:
    functions = ast.FunctionDef | ast.AsyncFunctionDef
    return isinstance(node, functions) and all(map(is_nothing, node.body))
