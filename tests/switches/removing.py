"""Locks, conflict checks and permissions, found in the code and in the registry, each with what removes it.

They are removed in a fork, in which its check runs.
"""

import ast
import re
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, Self
from unittest import mock

from zope.component import getGlobalSiteManager, getUtilitiesFor
from zope.security.checker import Checker, CheckerPublic, _checkers
from zope.security.interfaces import IPermission
from zope.security.proxy import Proxy, getChecker

import librarian
from librarian.security import policy
from tools.mutants.changes import Change, Mutant, changed_functions, setting
from tools.mutants.running import apply

SOURCE = Path(librarian.__file__).parent
#: Calls that lock or check, and have no value that is used: they are left out.
_CALL = re.compile(r"(\.readCurrent|\bflock|^_lock)\((?!.*LOCK_UN)")
#: Calls that give a lock, or a block that holds one: NoLock is called instead.
_LOCK = re.compile(
    r"((threading|asyncio)\.)?(Lock|RLock|Condition)|(zc\.lockfile\.)?LockFile|durable\.locked_directory"
)
_NO_LOCK = "__import__('tests.switches.removing', fromlist=['NoLock']).NoLock"


class NoLock(AbstractContextManager[Any]):
    """In the place of a lock of any kind, of which it has the methods: nothing waits for it."""

    def __init__(self, *_arguments: Any) -> None:
        """Nothing is locked, whatever it is."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        """Nothing to release."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_error: object) -> None:
        """Nothing to release."""

    def wait_for(self, condition: Callable[[], bool], _seconds: float) -> bool:
        """Do not wait."""
        return condition()

    def notify_all(self) -> None:
        """Nothing waits."""

    def close(self) -> None:
        """Nothing to release."""


@dataclass(frozen=True)
class Switch:
    """Something that can be removed."""

    place: str  # module and function, or permission
    remove: Callable[[], object]


def calls() -> Iterator[Switch]:
    """Locks and conflict checks in functions, those after the first of a function with a number; and locks
    that modules have."""
    for path in sorted(SOURCE.rglob("*.py")):
        where, numbers = str(path.relative_to(SOURCE)), Counter[str]()
        for one in changed_functions(path, _without_lock):
            numbers[one.function] += 1
            number = f" {numbers[one.function]}" if numbers[one.function] > 1 else ""
            yield Switch(f"{where} {one.function}{number}", partial(_apply, one))
        for name in _of_module(path):
            yield Switch(f"{where} {name}", partial(_replace, where, name))


def _without_lock(node: ast.AST) -> Iterator[Change]:
    match node:
        case ast.Expr(value=ast.Call() as call) if _CALL.search(ast.unparse(call)):
            yield setting(node, "value", ast.Constant(None))
        case ast.Call(func=function) if _LOCK.fullmatch(ast.unparse(function)):
            yield setting(node, "func", ast.parse(_NO_LOCK, mode="eval").body)


def _of_module(path: Path) -> Iterator[str]:
    for node in ast.parse(path.read_text("utf-8")).body:
        match node:
            case ast.Assign(targets=[ast.Name(name)], value=ast.Call(func=function)):
                if _LOCK.fullmatch(ast.unparse(function)):
                    yield name


def _apply(one: Mutant) -> None:
    if not apply(one):
        raise AssertionError(f"no function has the code of {one}")


def _replace(where: str, name: str) -> None:
    module: ModuleType = import_module(f"librarian.{where.removesuffix('.py').replace('/', '.')}")
    setattr(module, name, NoLock())


def permissions() -> Iterator[Switch]:
    """Permissions, removed by being granted to all."""
    for name, _permission in getUtilitiesFor(IPermission):
        if name.startswith("librarian."):
            yield Switch(name, partial(_grant, name))


def _grant(permission: str) -> None:
    real = policy.is_allowed

    def allowed(principal: Any, wanted: str, thing: Any) -> bool:
        return wanted == permission or real(principal, wanted, thing)

    policy.is_allowed = allowed  # type: ignore[assignment]


def requirements() -> Iterator[tuple[str, AbstractContextManager[None]]]:
    """What ZCML requires of a class or utility, and a block in which all may do that."""
    for name, checker in _all_checkers():
        required = {*checker.get_permissions.values(), *(checker.set_permissions or {}).values()}
        for permission in sorted(one for one in required if isinstance(one, str)):
            yield f"{name} {permission}", _published(checker, permission)


def _all_checkers() -> Iterator[tuple[str, Checker]]:
    for kind, checker in list(_checkers.items()):
        if kind.__module__.startswith("librarian.") and isinstance(checker, Checker):
            yield kind.__name__, checker
    for each in getGlobalSiteManager().registeredUtilities():
        if type(each.component) is Proxy:
            yield each.provided.__name__, getChecker(each.component)


@contextmanager
def _published(checker: Checker, permission: str) -> Iterator[None]:
    with ExitStack() as stack:
        for names in (checker.get_permissions, checker.set_permissions or {}):
            free = dict.fromkeys((name for name in names if names[name] == permission), CheckerPublic)
            stack.enter_context(mock.patch.dict(names, free))
        yield
