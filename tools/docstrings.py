"""Public functions that no docstring and no contract explains.

Counted are the public functions of a module, and the public methods and properties that a public class of it
defines.  One of these is explained by

* its own docstring, or that of the same name in a base class;
* a documented method, attribute or field of that name in an interface that the class implements;
* a base class of another package that has the name: its documentation is the contract.

Names that begin with `_` are not public; interfaces are themselves contracts and are not counted.
The modules are imported, because only a class that was made knows its bases and its interfaces.
"""

import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from types import FunctionType, ModuleType
from typing import Any

from zope.interface import implementedBy
from zope.interface.interface import InterfaceClass


def modules(package: str) -> Iterator[ModuleType]:
    """Every module below `package`, imported.  Raises ImportError."""
    top = importlib.import_module(package)
    yield top
    for module in pkgutil.walk_packages(top.__path__, f"{package}.", onerror=_fail):
        yield importlib.import_module(module.name)


def _fail(name: str) -> None:
    raise ImportError(f"{name} cannot be imported")


def public_functions(module: ModuleType) -> Iterator[tuple[FunctionType, str, bool]]:
    """Each public function that `module` defines, its name, and whether anything explains it."""
    for name, value in list(vars(module).items()):
        if name.startswith("_") or getattr(value, "__module__", None) != module.__name__:
            continue
        if inspect.isfunction(value):
            yield value, name, bool(inspect.getdoc(value))
        elif inspect.isclass(value) and not isinstance(value, InterfaceClass):
            yield from _methods(value)


def _methods(class_: type) -> Iterator[tuple[FunctionType, str, bool]]:
    for name, value in list(vars(class_).items()):  # implementedBy() adds to them
        function = _function(value)
        if function is not None and not name.startswith("_"):
            yield function, f"{class_.__name__}.{name}", bool(function.__doc__) or has_contract(class_, name)


def _function(value: Any) -> FunctionType | None:
    """The function of a method, a class or static method, or a property's getter."""
    found = value.fget if isinstance(value, property) else getattr(value, "__func__", value)
    return found if inspect.isfunction(found) else None


def has_contract(class_: type, name: str) -> bool:
    """Whether a base class or an interface of `class_` explains `name`."""
    package = class_.__module__.partition(".")[0]
    for base in class_.__mro__[1:]:
        if name in vars(base) and (base.__module__.partition(".")[0] != package or vars(base)[name].__doc__):
            return True
    declared_by: Any = implementedBy  # which has no types
    return any(name in one.names() and bool(one[name].__doc__) for one in declared_by(class_).flattened())
