"""The check of token scopes, which for the tracker depend on the name that a call is about."""

from librarian.security.interaction import current_principal
from librarian.tracker.interfaces import BadName, NotYours
from librarian.tracker.protocol import checked_name


def check_file(action: str, name: str) -> str:
    """The path of a file: its name without the leading slash.

    `action` is "read" or "write".  Raises BadName, also for a name with a version, and NotYours.
    """
    if name == "/":
        raise BadName(name, "a directory is no file")
    _check_name(name)
    _check_scope(action, name, name)
    return name[1:]


def check_directory(name: str) -> str:
    """The path of a directory that is to be read, without slashes around it; "" for the top.

    Raises BadName, and NotYours unless the scope covers everything in the directory.
    """
    if name != "/":
        _check_name(name)
    _check_scope("read", name, name.rstrip("/") + "/")
    return name.strip("/")


def _check_name(name: str) -> None:
    _name, version = checked_name(name)
    if version is not None:
        raise BadName(name, "version not allowed in this API call")


def _check_scope(action: str, name: str, wanted: str) -> None:
    """Raise NotYours unless a scope covers `wanted`; a scope's prefix may lack the leading slash."""
    principal = current_principal()
    scopes = (f"tracker:{action}:{wanted}", f"tracker:{action}:{wanted.lstrip('/')}")
    if not any(principal.has_scope(scope) for scope in scopes):
        raise NotYours(name)
