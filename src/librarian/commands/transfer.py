"""``librarian put``, ``get`` and ``info``: the library from another machine, over HTTP."""

import hashlib
import json
import mimetypes
import os
import sys
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import click

from librarian.commands.credentials import speaks_to_app
from librarian.commands.download import download_to
from librarian.commands.http import TransferFailed, answered, pool, refusal
from librarian.commands.named import tree_url
from librarian.commands.progress import ReadingProgress
from librarian.sending import DeclaredBody, WrongLength
from librarian.web.digests import repr_digest

BLOCK = 1 << 18  # bytes

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, for scripts.")


@click.command()
@click.argument(
    "files", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path)
)
@click.option(
    "--upload-url",
    envvar="LIBRARIAN_UPLOAD_URL",
    default="http://127.0.0.1:9090/",
    show_default=True,
    help="The upload face to add to.",
)
@click.option("--name", help="The name it goes by, if not its own; for a single file.")
@click.option("--type", "mimetype", help="Its Content-Type, if not the one its name suggests.")
@click.option("--expires", help="RFC 3339 time, or never.  Without it: once nothing refers to it.")
@click.option("--to", help="A path in the named tree; with a slash at its end, the folder to put FILES in.")
@click.option("-p", "--parents", is_flag=True, help="With --to: make missing folders.")
@click.option("--restricted", is_flag=True, help="With --to: not for everybody.")
@click.option("-n", "--no-clobber", is_flag=True, help="With --to: only where there is nothing yet.")
@json_option
@speaks_to_app
def put(
    files: tuple[Path, ...],
    upload_url: str,
    app_url: str,
    name: str | None,
    mimetype: str | None,
    expires: str | None,
    as_json: bool,
    to: str | None,
    **tree_options: bool,
) -> None:
    """Add FILES to the library; print the URL of each.

    Each is hashed first and its SHA-256 sent along, so that what arrived is what was meant.
    """
    if name is not None and (len(files) > 1 or to is not None):
        raise click.UsageError("--name is for a single file, and not for --to")
    if to is not None and len(files) > 1 and not to.endswith("/"):
        raise click.UsageError("several files go into a folder: --to needs a slash at its end")
    pool().trust(upload_url)
    for path in files:
        stated = _stated(path, name or path.name, mimetype, expires)
        if to is None:
            url = upload_url.rstrip("/") + "/" + quote(name or path.name, safe="")
            added = _send(path, url, stated, "url")
        else:
            target = to + path.name if to.endswith("/") else to
            added = _put_into_tree(path, tree_url(app_url, target), stated, **tree_options)["file"]
        click.echo(json.dumps(added) if as_json else added["url"])


def _put_into_tree(
    path: Path, url: str, stated: dict[str, str], *, parents: bool, restricted: bool, no_clobber: bool
) -> dict[str, Any]:
    if no_clobber:
        stated["If-None-Match"] = "*"
    flags = {"parents": parents, "restricted": restricted}
    query = "&".join(f"{flag}=true" for flag, is_set in flags.items() if is_set)
    return _send(path, f"{url}?{query}" if query else url, stated, "file")


def _stated(path: Path, name: str, mimetype: str | None, expires: str | None) -> dict[str, str]:
    """What is said of a file when it is sent."""
    headers = {
        "Content-Type": mimetype or mimetypes.guess_type(name)[0] or "application/octet-stream",
        **_length_and_digest(path),
    }
    if expires is not None:
        headers["Librarian-Expires"] = expires
    return headers


def _length_and_digest(path: Path) -> dict[str, str]:
    """Of what the file holds now; a log may go on growing."""
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        body = DeclaredBody(file, size, may_grow=True)
        digest = hashlib.sha256()
        try:
            while block := body.read(BLOCK):
                digest.update(block)
        except WrongLength as error:
            raise _changed(path, error) from error
    return {"Content-Length": str(size), "Repr-Digest": repr_digest(digest.hexdigest())}


def _changed(path: Path, error: WrongLength) -> TransferFailed:
    return TransferFailed(f"{path}: it changed meanwhile: {error}")


def _send(path: Path, url: str, headers: dict[str, str], *names: str) -> dict[str, Any]:
    """What the answer to an upload says; all of `names` is in it."""
    size = int(headers["Content-Length"])
    with path.open("rb") as file, ReadingProgress(file, path.name, size) as shown:
        body = DeclaredBody(shown, size, may_grow=True)
        try:
            answer = pool().request("PUT", url, headers=headers, body=body, redirect=False)
        except WrongLength as error:
            raise _changed(path, error) from error
    if answer.status not in (200, 201):  # OK: replaced in the tree; Created
        raise refusal(str(path), answer)
    return answered(str(path), answer, *names)


@click.command()
@click.argument("url_or_id")
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), help="Where to write; - for standard output."
)
@json_option
@speaks_to_app
def get(url_or_id: str, output: Path | None, app_url: str, as_json: bool) -> None:
    """Fetch the file that URL_OR_ID names, or a path of the named tree; print where it was written.

    What an interrupted run left in NAME.part is continued, if the file is still the same one, and
    the whole is checked against its SHA-256 before it gets its name.
    """
    url = f"{app_url.rstrip('/')}/files/{url_or_id}" if url_or_id.isdigit() else url_or_id
    if url_or_id.startswith("/"):
        url = tree_url(app_url, url_or_id)
    path = download_to(url, output)
    if path is None:
        return
    click.echo(json.dumps({"path": str(path), "size": path.stat().st_size}) if as_json else str(path))


@click.command()
@click.argument("url_or_id")
@json_option
@speaks_to_app
def info(url_or_id: str, app_url: str, as_json: bool) -> None:
    """Say what the library knows about the file that URL_OR_ID names."""
    alias_id = url_or_id if url_or_id.isdigit() else _id_in(url_or_id)
    url = f"{app_url.rstrip('/')}/files/{alias_id}"
    answer = pool().request("GET", url, headers={"Accept": "application/json"})
    if answer.status != 200:  # OK
        raise refusal(url_or_id, answer)
    if as_json:
        sys.stdout.write(answer.data.decode() + "\n")
        return
    for key, value in answered(url_or_id, answer).items():
        click.echo(f"{key:<13} {'-' if value is None else value}")


def _id_in(url: str) -> str:
    for part in reversed(urlsplit(url).path.split("/")):
        if part.isdigit():
            return part
    raise TransferFailed(f"{url}: no file id in it")
