"""``librarian find``, and the lists of ``librarian ls --list``: files with their ids, over HTTP."""

import json
from typing import Any
from urllib.parse import quote, urljoin

import click

from librarian.commands.common.credentials import speaks_to_app
from librarian.commands.common.http import pool
from librarian.remote.connection import answered, refusal

LISTS = ("mine", "all", "expiring", "held", "deleted")


def print_files(url: str, as_json: bool) -> int:
    """Print every file of the list at `url`, a line each, page by page; how many.  Raises TransferFailed."""
    number, following = 0, url
    while following:
        answer = pool().request("GET", following, headers={"Accept": "application/json"})
        if answer.status != 200:  # OK
            raise refusal(url, answer)
        found = answered(url, answer, "files", "next")
        for file in found["files"]:
            click.echo(json.dumps(file) if as_json else _line(file))
        number += len(found["files"])
        following = found["next"] and urljoin(url, found["next"])
    return number


def _line(file: dict[str, Any]) -> str:
    size, matched = file["size"], file.get("matched")
    line = (
        f"{file['id']:>16} {'-' if size is None else size:>12} {file['date_created'][:16]} {file['filename']}"
    )
    return f"{line}  ({matched})" if matched else line


@click.command()
@click.argument("words", nargs=-1, required=True)
@click.option("--json", "as_json", is_flag=True, help="Print JSON, a line for each.")
@speaks_to_app
def find(words: tuple[str, ...], as_json: bool, app_url: str) -> None:
    """Find files by WORDS: beginnings of words in the name, an id, an MD5, SHA-1 or SHA-256 (whole, or its
    first eight digits or more), or a path of the named tree.

    Prints id, size, date, name and what matched.  Exit status 1 if nothing was found.
    """
    if not print_files(f"{app_url.rstrip('/')}/+search?q={quote(' '.join(words))}", as_json):
        raise click.exceptions.Exit(1)
