"""``pserve`` as a checkout has it: Pyramid's, after a look at the ini file.

Pyramid's own prints a traceback of a file that it cannot read, before anything of ours is loaded.
"""

import sys
from argparse import Namespace
from collections.abc import Sequence

import plaster
from pyramid.scripts.common import get_config_loader, parse_vars
from pyramid.scripts.pserve import PServeCommand

from librarian.app import ending_in_a_line, reading
from librarian.interfaces import SettingsError

#: The sections of PasteDeploy that an application may be.
APPLICATIONS = ("app", "application", "composite", "composit", "pipeline", "filter-app")


def main() -> None:
    """The console script; an ini file that cannot be read ends it with one line and status 1."""
    command = PServeCommand(sys.argv)
    if command.args.config_uri:
        with ending_in_a_line():
            look_at_ini(command.args)
    sys.exit(command.run())


def look_at_ini(stated: Namespace) -> None:
    """Raise SettingsError for what the command line names and cannot be read: the file, its sections, or what
    it says of logging."""
    path, variables = stated.config_uri, parse_vars(stated.config_vars)
    with reading(path):
        usual = plaster.parse_uri(path).fragment or "main"
        loader = get_config_loader(path)
        sections = loader.get_sections()
        chosen = [_section(path, sections, APPLICATIONS, stated.app_name or usual)]
        if not stated.server:
            chosen.append(_section(path, sections, ("server",), stated.server_name or usual))
        for name in chosen:
            loader.get_settings(name, variables)
        if not stated.reload:  # else another process logs
            loader.setup_logging(variables)


def _section(path: str, sections: Sequence[str], kinds: Sequence[str], name: str) -> str:
    """The section of one of `kinds` with this name.  Raises SettingsError."""
    found = [f"{kind}:{name}" for kind in kinds if f"{kind}:{name}" in sections]
    if not found:
        raise SettingsError(path, f"has no section [{kinds[0]}:{name}]")
    return found[0]
