"""Saying who one is: options that the commands which speak HTTP share.

Secrets come from files and the environment, never from the command line, which every process of the
machine can read.
"""

import os
from base64 import b64encode
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import click

from librarian.commands.http import pool

app_url_option = click.option(
    "--app-url",
    envvar="LIBRARIAN_APP_URL",
    default="http://127.0.0.1:6543/",
    show_default=True,
    help="The web application, which knows files by their ids and paths.",
)
_token_file_option = click.option(
    "--token-file",
    envvar="LIBRARIAN_TOKEN_FILE",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A file with an API token.  Without it: the variable LIBRARIAN_TOKEN.",
)
_user_option = click.option(
    "-u",
    "--user",
    envvar="LIBRARIAN_USER",
    help="Whose password to use instead: from the variable LIBRARIAN_PASSWORD, or asked for.",
)


def speaks_to_app(command: Callable[..., Any]) -> Callable[..., Any]:
    """Have a command take ``--app-url`` and say there who it acts for, if it is told."""

    @app_url_option
    @_token_file_option
    @_user_option
    @wraps(command)
    def speaking(app_url: str, token_file: Path | None, user: str | None, **options: Any) -> Any:
        field = authorization(token_file, user)
        if field is not None:
            pool().authorization = field
            pool().trust(app_url)
        return command(app_url=app_url, **options)

    return speaking


def authorization(token_file: Path | None, user: str | None) -> str | None:
    """The Authorization field (RFC 6750, RFC 7617), or None for nobody."""
    if user:
        password = os.environ.get("LIBRARIAN_PASSWORD") or click.prompt(
            f"Password of {user}", hide_input=True
        )
        return "Basic " + b64encode(f"{user}:{password}".encode()).decode()
    token = token_file.read_text() if token_file else os.environ.get("LIBRARIAN_TOKEN", "")
    return f"Bearer {token.strip()}" if token.strip() else None
