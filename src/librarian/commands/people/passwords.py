"""The options by which a command takes a password."""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from librarian.commands.common.effects import refuse_idle
from librarian.people.credentials.passwords import generate_password


class PasswordSource:
    """The source of a password: a file, the environment, a generator, or the terminal.

    It is never an argument: every process of the machine can read those, and shells keep them.
    """

    def __init__(self, file: str | None, generate: bool) -> None:
        if generate:
            refuse_idle("with --generate", "password_file")
        self.generated = generate_password() if generate else None
        self._file = file

    def read(self) -> str:
        """The password; it is asked for on the terminal if no other source is given."""
        if self.generated is not None:
            return self.generated
        if self._file == "-":
            return sys.stdin.readline().rstrip("\r\n")
        if self._file is not None:
            return Path(self._file).read_text().split("\n", 1)[0].rstrip("\r")
        if "LIBRARIAN_PASSWORD" in os.environ:
            return os.environ["LIBRARIAN_PASSWORD"]
        password: str = click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
        return password


def password_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Have a command take `password_file` and `generate`."""
    file = click.option(
        "--password-file",
        type=click.Path(exists=True, dir_okay=False, allow_dash=True),
        help="Read the password from the first line of this file; - is standard input.",
    )
    generate = click.option("--generate", is_flag=True, help="Make a password and print it once.")
    return file(generate(command))
