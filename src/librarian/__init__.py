"""A self-hosted library of files for applications, and the services around it."""

from typing import Any


def includeme(config: Any) -> None:
    """``config.include("librarian", route_prefix="/lib")`` in another Pyramid application; see embedded/."""
    config.include("librarian.embedded.including")
