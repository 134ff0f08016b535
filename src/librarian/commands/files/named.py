"""``librarian ls``, ``rm`` and ``mv``: the named tree from another machine."""

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, urljoin

import click

from librarian.commands.common.credentials import speaks_to_app
from librarian.commands.common.effects import refuse_idle
from librarian.commands.common.http import pool
from librarian.commands.files.listing import LISTS, print_files
from librarian.remote.connection import answered, refusal

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, a line for each.")


def path_in_tree(text: str) -> str:
    """The path that `text` is, which may begin with a slash or do without it.

    Raises UsageError for what looks like a URL or an address, so that no name is taken for a host's, nor the
    other way round.
    """
    if not text.strip("/") or ":" in text.partition("/")[0] or text.startswith("//"):
        raise click.UsageError(
            f"{text!r} is no id, no http URL, and no path of the named tree such as /a/b.txt"
        )
    return "/" + text.lstrip("/")


def tree_url(app_url: str, path: str) -> str:
    """The URL of a path of the named tree."""
    return f"{app_url.rstrip('/')}/tree/{quote(path.lstrip('/'))}"


@click.command()
@click.argument("path", default="/")
@click.option("-l", "--long", is_flag=True, help="Size, version, date and name.")
@click.option(
    "--list",
    "which",
    type=click.Choice(LISTS),
    help="A list of files instead, with their ids: mine, all I may see, expiring soon, held, deleted.",
)
@json_option
@speaks_to_app
def ls(path: str, long: bool, which: str | None, as_json: bool, app_url: str) -> None:
    """List the folder PATH of the named tree, or the file PATH; or a list of files."""
    if which is not None:
        refuse_idle("with --list", "long")
        print_files(f"{app_url.rstrip('/')}/files?list={which}", as_json)
        return
    if as_json:
        refuse_idle("with --json, which prints all fields", "long")
    for entry in _entries(tree_url(app_url, path), path):
        if as_json:
            click.echo(json.dumps(entry))
        else:
            click.echo(_long(entry) if long else _shown_name(entry))


def _entries(url: str, path: str) -> Iterator[dict[str, Any]]:
    following: str | None = url
    while following:
        answer = pool().request("GET", following, headers={"Accept": "application/json"})
        if answer.status != 200:  # OK
            raise refusal(path, answer)
        found = answered(path, answer, "kind")
        if found["kind"] == "file":
            yield {"name": path, **answered(path, answer, "file")["file"], **found}
            return
        found = answered(path, answer, "entries", "next")
        yield from found["entries"]
        following = found["next"] and urljoin(url, found["next"])


def _shown_name(entry: dict[str, Any]) -> str:
    return entry["name"] + ("/" if entry["kind"] == "folder" else "")


def _long(entry: dict[str, Any]) -> str:
    date = (entry.get("date") or entry.get("date_created") or "-")[:16]
    size, version = entry.get("size"), entry.get("version")
    return f"{'-' if size is None else size:>12} {version or '-':>4} {date:<16} {_shown_name(entry)}"


@click.command()
@click.argument("paths", nargs=-1, required=True)
@click.option("-r", "--recursive", is_flag=True, help="Also folders that are not empty.")
@click.option("--if-match", help="Remove it only if this is still its entity tag.")
@speaks_to_app
def rm(paths: tuple[str, ...], recursive: bool, if_match: str | None, app_url: str) -> None:
    """Remove entries, with their versions, and folders from the named tree."""
    headers = {} if if_match is None else {"If-Match": if_match}
    for path in paths:
        url = tree_url(app_url, path) + ("?recursive=true" if recursive else "")
        answer = pool().request("DELETE", url, headers=headers)
        if answer.status != 204:  # No Content
            raise refusal(path, answer)


@click.command()
@click.argument("path")
@click.argument("target")
@speaks_to_app
def mv(path: str, target: str, app_url: str) -> None:
    """Move PATH of the named tree to the path TARGET, or into the folder TARGET/."""
    if target.endswith("/"):
        target += path.rstrip("/").rpartition("/")[2]
    answer = pool().request(
        "POST",
        tree_url(app_url, path),
        headers={"Content-Type": "application/json"},
        body=json.dumps({"move_to": target}),
    )
    if answer.status != 201:  # Created
        raise refusal(path, answer)
