"""The prefix below which the application is mounted, and paths of the application as a client sees them.

An application that has the library below ``/lib`` says so by WSGI's SCRIPT_NAME (PEP 3333).  Views,
descriptions and templates write the paths of their pages from the library's own root, and pass them through
local_path() before a client gets them.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from urllib.parse import quote

_prefix: ContextVar[str] = ContextVar("prefix", default="")


@contextmanager
def mounted_at(script_name: str) -> Iterator[None]:
    """Everything this thread does inside the `with` is for an application below `script_name`, unquoted."""
    token = _prefix.set(quote(script_name.rstrip("/")))
    try:
        yield
    finally:
        _prefix.reset(token)


def mount() -> str:
    """The prefix, percent-encoded and without a slash at its end; empty at the root of a host."""
    return _prefix.get()


def local_path(path: str) -> str:
    """The path that a client uses for `path`, which begins with a slash at the library's root."""
    return mount() + path
