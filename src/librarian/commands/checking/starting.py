"""What a server looks at before it makes or opens anything."""

from collections.abc import Mapping
from typing import Any

from librarian.app import settings_of
from librarian.commands.checking.places import require_rights
from librarian.serving.announcing import is_new_library, tell_new_library
from librarian.serving.sockets import require_free
from librarian.web.endpoints import stated_addresses


def before_start(values: Mapping[str, str], sections: Mapping[str, type[Any]]) -> None:
    """See that the addresses of the endpoints among `sections` are free, and, where a new library is to be
    made, that it can be; say where.  Raises CannotListen, SettingsError."""
    settings = settings_of(values)
    require_free(stated_addresses(settings, sections))
    if is_new_library(settings):
        require_rights(values)
        tell_new_library(settings)
