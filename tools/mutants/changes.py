"""The changes: comparisons, `and` for `or`, negated conditions, integers by one, dropped calls, no result."""

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import CodeType

_COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
}
_Function = ast.FunctionDef | ast.AsyncFunctionDef
Change = Callable[[], Callable[[], None]]  # changes a node, and returns what changes it back
#: What no test of behaviour looks at.
_UNSEEN = ("__repr__", "__str__")


@dataclass(frozen=True)
class Mutant:
    """One change of one function that stands in a module or a class."""

    path: Path
    function: str  # as `co_qualname` has it
    first_line: int  # as `co_firstlineno` has it, which is that of the first decorator
    line: int
    before: str
    after: str
    code: CodeType  # of the changed function

    @property
    def place(self) -> tuple[str, int]:
        return str(self.path), self.first_line

    def __str__(self) -> str:
        return f"{self.path}:{self.line} {self.function}: {self.before}  ->  {self.after}"


def mutants(path: Path) -> Iterator[Mutant]:
    """All changes of a module, in the order of its text."""
    return changed_functions(path, _of_node)


def changed_functions(path: Path, changes: Callable[[ast.AST], Iterator[Change]]) -> Iterator[Mutant]:
    """The functions of a module, each with one of the changes that there are for one of its nodes."""
    tree = ast.parse(path.read_text("utf-8"))
    for name, function in _functions(tree):
        if function.name in _UNSEEN:
            continue
        for node, change in _changes(function, changes):
            found = _changed(path, tree, name, function, node, change)
            if found is not None:
                yield found


def _functions(tree: ast.AST, above: str = "") -> Iterator[tuple[str, _Function]]:
    """Functions that no other holds, with their qualified names."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, _Function):
            yield f"{above}{node.name}", node
        elif isinstance(node, ast.ClassDef):
            yield from _functions(node, f"{above}{node.name}.")
        elif isinstance(node, (ast.If, ast.Try)):
            yield from _functions(node, above)


def _changes(
    function: _Function, changes: Callable[[ast.AST], Iterator[Change]]
) -> Iterator[tuple[ast.AST, Change]]:
    for statement in function.body:
        for node in ast.walk(statement):
            for change in changes(node):
                yield node, change


def _of_node(node: ast.AST) -> Iterator[Change]:
    match node:
        case ast.Compare(ops=[operator]) if type(operator) in _COMPARISONS:
            yield setting(node, "ops", [_COMPARISONS[type(operator)]()])
        case ast.BoolOp(op=operator):
            yield setting(node, "op", ast.Or() if isinstance(operator, ast.And) else ast.And())
        case ast.If(test=test) | ast.While(test=test) | ast.IfExp(test=test):
            if not isinstance(test, ast.Compare):  # which has its own
                yield setting(node, "test", ast.UnaryOp(ast.Not(), test))
        case ast.Constant(value=int() as value) if not isinstance(value, bool):
            yield setting(node, "value", value + 1)
        case ast.Expr(value=ast.Call() as call) if not _logs(call):
            yield setting(node, "value", ast.Constant(None))
        case ast.Return(value=ast.Constant(value=False)):
            yield setting(node, "value", ast.Constant(True))  # None would be as good as False
        case ast.Return(value=ast.expr() as value) if not _is_none(value):
            yield setting(node, "value", ast.Constant(None))


def setting(node: ast.AST, field: str, value: object) -> Change:
    """Another value in a field of a node."""

    def change() -> Callable[[], None]:
        kept = getattr(node, field)
        setattr(node, field, value)
        return lambda: setattr(node, field, kept)

    return change


def _logs(call: ast.Call) -> bool:
    return isinstance(call.func, ast.Attribute) and getattr(call.func.value, "id", "") in ("log", "logger")


def _is_none(value: ast.expr) -> bool:
    return isinstance(value, ast.Constant) and value.value is None


def _changed(
    path: Path,
    tree: ast.Module,
    name: str,
    function: _Function,
    node: ast.AST,
    change: Change,
) -> Mutant | None:
    before = ast.unparse(node).partition("\n")[0]
    back = change()
    try:
        after = ast.unparse(node).partition("\n")[0]
        module = compile(ast.fix_missing_locations(tree), str(path), "exec")
    finally:
        back()
    first = min([function.lineno, *(each.lineno for each in function.decorator_list)])
    code = _code(module, name, first)
    line = getattr(node, "lineno", first)
    return code and Mutant(path, name, first, line, before, after, code)


def _code(holder: CodeType, name: str, first_line: int) -> CodeType | None:
    for constant in holder.co_consts:
        if isinstance(constant, CodeType):
            if (constant.co_qualname, constant.co_firstlineno) == (name, first_line):
                return constant
            found = _code(constant, name, first_line)
            if found is not None:
                return found
    return None
