"""Whether the acting principal may put a file at a path, and what that does to what is there."""

from collections.abc import Mapping
from typing import Any

from zope.component import getUtility
from zope.security.proxy import removeSecurityProxy

from librarian.naming.interfaces import ConditionFailed, INamedFolder, INamedTree, NotThere
from librarian.naming.service import split_path
from librarian.web.files.conditions import refuses_write


def existing(path: str) -> Any:
    """The INamedFolder or INamedEntry at a path, or None if there is none that the principal may see."""
    try:
        return getUtility(INamedTree)[path]
    except NotThere:
        return None


def check_change(path: str, conditions: Mapping[str, str]) -> Any:
    """existing(), if the principal may change the path and `conditions` hold.

    These are the fields of RFC 9110, section 13.1, by their names in lower case.  Raises Unauthorized, and
    ConditionFailed for If-Match and If-None-Match.
    """
    there = existing(path)
    etag = None if there is None else getattr(removeSecurityProxy(there), "etag", None) or '""'
    nearest_folder(path).put  # noqa: B018  # through its security proxy: raises Unauthorized
    if refuses_write(conditions, etag):
        raise ConditionFailed(path)
    return there


def nearest_folder(path: str) -> Any:
    """The folder that the path lies in, or the lowest above it that exists."""
    found = getUtility(INamedTree).root
    for name in split_path(path)[:-1]:
        inner = found.get(name)
        if not INamedFolder.providedBy(inner):
            break
        found = inner
    return found


def keeps_restricted(folder: Any, replaced: Any) -> bool:
    """Whether a file that is put into `folder` is restricted without a request for it.

    It is in a restricted folder, and where it replaces a restricted file (`replaced` is None or an entry):
    a request that leaves the parameter out does not publish the file.
    """
    return folder.restricted or (replaced is not None and replaced.restricted)
