"""Credentials: the options that all commands which speak HTTP share.

Secrets come from files and the environment, never from the command line, which every process of the
machine can read.
"""

import os
from base64 import b64encode
from collections.abc import Callable
from functools import cache, partial, wraps
from inspect import signature
from pathlib import Path
from typing import Any

import click

from librarian.commands.common.effects import is_said, refuse_idle
from librarian.commands.common.http import pool
from librarian.commands.common.places import chosen_place, open_place, place, place_option

app_url_option = click.option(
    "--app-url",
    envvar="LIBRARIAN_APP_URL",
    show_envvar=True,
    help="The web application, which knows files by their ids and paths; otherwise as the ini file says.",
)
_token_file_option = click.option(
    "--token-file",
    envvar="LIBRARIAN_TOKEN_FILE",
    show_envvar=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A file with an API token.  Without it: the variable LIBRARIAN_TOKEN.",
)
_user_option = click.option(
    "-u",
    "--user",
    envvar="LIBRARIAN_USER",
    show_envvar=True,
    help="Whose password to use instead: from the variable LIBRARIAN_PASSWORD, or asked for.",
)


def speaks_to_app(command: Callable[..., Any]) -> Callable[..., Any]:
    """Have a command take ``--app-url`` and the options for credentials, and send those there.

    It is given `app_url`, and `ini` where it has a parameter of that name.
    """
    return _speaking(command, chosen_place)


def may_speak_to_app(command: Callable[..., Any]) -> Callable[..., Any]:
    """The same for a command that often needs no web application: where the ini file closes it, `app_url` is
    empty, and app_place() says so when it is needed after all."""
    return _speaking(command, open_place)


def app_place(app_url: str, ini: str | None) -> str:
    """`app_url`.  Raises ClickException if there is none, by this ini file or the usual one."""
    return app_url or place("app_url", ini)


def _speaking(
    command: Callable[..., Any], choose: Callable[[str, str | None, str | None], str]
) -> Callable[..., Any]:
    @place_option
    @app_url_option
    @_token_file_option
    @_user_option
    @wraps(command)
    def speaking(
        ini: str | None, app_url: str | None, token_file: Path | None, user: str | None, **options: Any
    ) -> Any:
        if is_said("user"):
            refuse_idle("beside --user", "token_file")
        elif is_said("token_file"):
            user = None  # the environment's
        if "ini" in signature(command).parameters:
            options["ini"] = ini
        elif is_said("app_url"):
            refuse_idle("beside --app-url", "ini")
        app_url = choose("app_url", app_url, ini)
        pool().authorize = cache(partial(authorization, token_file, user))
        if app_url:
            pool().trust(app_url)
        return command(app_url=app_url, **options)

    return speaking


def authorization(token_file: Path | None, user: str | None) -> str | None:
    """The Authorization field (RFC 6750, section 2.1; RFC 7617, section 2), or None without credentials."""
    if user:
        password = os.environ.get("LIBRARIAN_PASSWORD") or click.prompt(
            f"Password of {user}", hide_input=True
        )
        return "Basic " + b64encode(f"{user}:{password}".encode()).decode()
    token = token_file.read_text() if token_file else os.environ.get("LIBRARIAN_TOKEN", "")
    return f"Bearer {token.strip()}" if token.strip() else None
