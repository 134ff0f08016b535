"""Removing a folder that an ending process is still tidying up."""

import shutil
from errno import ENOENT, ENOTEMPTY
from pathlib import Path


def remove_folder(folder: Path) -> None:
    """Remove `folder` and all below it; a file that vanishes meanwhile is no error.

    gpg-agent and Chromium end some time after they were told to, and remove sockets and locks as they go.
    What they still add while the folder is listed makes its removal start again.
    """
    while folder.exists():
        shutil.rmtree(folder, onerror=_unless_changed)


def _unless_changed(_function: object, _path: str, raised: tuple[type, BaseException, object]) -> None:
    """Pass over what another process removed or put there meanwhile; the next turn sees how it stands."""
    error = raised[1]
    if not isinstance(error, OSError) or error.errno not in (ENOENT, ENOTEMPTY):
        raise error
