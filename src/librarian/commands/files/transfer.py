"""``librarian put``, ``get`` and ``info``: the library from another machine, over HTTP."""

import json
import re
import sys
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import click

from librarian.commands.common.credentials import app_place, may_speak_to_app, speaks_to_app
from librarian.commands.common.effects import is_said, refuse_idle
from librarian.commands.common.http import pool
from librarian.commands.common.places import chosen_place
from librarian.commands.common.progress import on_a_bar
from librarian.commands.files.named import path_in_tree, tree_url
from librarian.interfaces import LibrarianError
from librarian.remote.connection import answered, refusal
from librarian.remote.downloads import download_to
from librarian.remote.interfaces import TransferFailed, TriesAgain
from librarian.remote.pieces import LARGE, PiecewiseUpload, names_in_tree
from librarian.remote.uploads import send_whole, stated_of

_URL = re.compile("https?://[^/]", re.IGNORECASE)

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, for scripts.")

STAY = "kept while something refers to it; if nothing does, about a week"
LIFETIME = re.compile(r"\d{1,6}[hdw]", re.ASCII)  # how long from now


@click.command()
@click.argument(
    "files", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path)
)
@click.option(
    "--upload-url",
    envvar="LIBRARIAN_UPLOAD_URL",
    show_envvar=True,
    help="The upload endpoint to add to; otherwise as the ini file says.",
)
@click.option(
    "--restricted-upload-url",
    envvar="LIBRARIAN_RESTRICTED_UPLOAD_URL",
    show_envvar=True,
    help="The upload endpoint for --restricted; otherwise as the ini file says.",
)
@click.option("--name", help="The name it goes by, if not its own; for a single file.")
@click.option("--type", "mimetype", help="Its Content-Type, if not the one its name suggests.")
@click.option(
    "--expires",
    help="RFC 3339 time, 30d, never, or unreferenced.  Without it: as the server has it set.",
)
@click.option("--to", help="A path in the named tree; with a slash at its end, the folder to put FILES in.")
@click.option("-p", "--parents", is_flag=True, help="With --to: make missing folders.")
@click.option("--restricted", is_flag=True, help="Only for the restricted network and links with a token.")
@click.option("-n", "--no-clobber", is_flag=True, help="With --to: only where there is nothing yet.")
@click.option("--resume", is_flag=True, help="Go on with large files of a run that was killed.")
@json_option
@may_speak_to_app
def put(
    files: tuple[Path, ...],
    ini: str | None,
    app_url: str,
    upload_url: str | None,
    restricted_upload_url: str | None,
    mimetype: str | None,
    expires: str | None,
    as_json: bool,
    **how: Any,
) -> None:
    """Add FILES to the library; print the URL of each.

    Each is hashed first and its SHA-256 sent along, so that what arrived is what was meant.  Exit
    status 1 if any of FILES could not be added; the others are then added all the same.  A file that is
    not there is a mistake in the command line: status 2, and nothing is added.

    Files above 64 MiB are sent in pieces: when a connection breaks, the rest is sent from where it broke, for
    ten minutes without progress at most.  When this command itself was killed, call
    it again with --resume before the server forgets what it has, usually after a day.
    """
    _check_put(files, expires, **how)
    where = "restricted_upload_url" if how["restricted"] else "upload_url"
    stated_url = restricted_upload_url if how["restricted"] else upload_url
    if how["to"] is None:
        base = chosen_place(where, stated_url, ini)
        pool().trust(base)
        add = partial(_add, base=base)
    else:
        add = partial(_name, app_url=app_place(app_url, ini))
    failed = told = False
    for path in files:
        try:
            stated = stated_of(path, how["name"] or path.name, mimetype, expires)
            added = add(path, stated=stated, **how)
            click.echo(json.dumps(added) if as_json else added["url"])
            told = told or (how["to"] is None and _tell_expiry(added, as_json))
        except (LibrarianError, OSError) as error:
            failed = True
            click.echo(f"Error: {error}", err=True)
    if failed:
        sys.exit(1)


def _check_put(
    files: tuple[Path, ...], expires: str | None, name: str | None, to: str | None, restricted: bool, **_: Any
) -> None:
    """Refuse what cannot be meant, and what would have no effect."""
    if all(path.stat().st_size <= LARGE for path in files):
        refuse_idle("for files of up to 64 MiB, which are sent whole", "resume")
    if name is not None and (len(files) > 1 or to is not None):
        raise click.UsageError("--name is for a single file, and not for --to")
    if to is not None and len(files) > 1 and not to.endswith("/"):
        raise click.UsageError("several files go into a folder: --to needs a slash at its end")
    if to is not None:
        refuse_idle("with --to", "upload_url", "restricted_upload_url")
    else:
        refuse_idle("without --to", "parents", "no_clobber", "app_url")
    if restricted:
        refuse_idle("with --restricted, which goes to --restricted-upload-url", "upload_url")
    else:
        refuse_idle("without --restricted", "restricted_upload_url")
    for url in ("app_url", "upload_url", "restricted_upload_url"):
        if is_said(url):
            refuse_idle(f"beside --{url.replace('_', '-')}", "ini")
    if expires is not None:
        _check_expires(expires)


def _tell_expiry(added: dict[str, Any], as_json: bool) -> bool:
    """Say once how long files stay that have no expiry and no name; whether it was said."""
    if as_json or "expires" not in added or added["expires"] is not None:
        return False
    click.echo(f"{STAY} (--expires never: for good)", err=True)
    return True


def _check_expires(text: str) -> None:
    if text.strip().lower() in ("never", "unreferenced") or LIFETIME.fullmatch(text.strip().lower()):
        return
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        why = f"{text!r} is no RFC 3339 time, and not 30d, never or unreferenced"
        raise click.BadParameter(why, param_hint="--expires") from None
    if moment.tzinfo is None:
        raise click.BadParameter("has no time zone: end it in Z or +01:00", param_hint="--expires")
    if moment <= datetime.now(UTC):
        raise click.BadParameter(f"{text} is past", param_hint="--expires")


def _add(
    path: Path,
    base: str,
    stated: dict[str, str],
    *,
    name: str | None,
    restricted: bool,
    resume: bool,
    **_: Any,
) -> dict[str, Any]:
    """Through an upload endpoint."""
    named = name or path.name
    if int(stated["Content-Length"]) > LARGE:
        added = _in_pieces(path, base, {"filename": named}, stated, resume)
    else:
        added = _send(path, base.rstrip("/") + "/" + quote(named, safe=""), stated, "url", "restricted")
    if restricted and not added["restricted"]:
        raise TransferFailed(f"{path}: {base} keeps public files, and has added it as {added['url']}")
    return added


def _name(
    path: Path,
    app_url: str,
    stated: dict[str, str],
    *,
    to: str,
    parents: bool,
    restricted: bool,
    no_clobber: bool,
    resume: bool,
    **_: Any,
) -> dict[str, Any]:
    """At a path of the named tree."""
    target = to + path.name if to.endswith("/") else to
    if no_clobber:
        stated["If-None-Match"] = "*"
    names = names_in_tree(target, parents=parents, restricted=restricted)
    if int(stated["Content-Length"]) > LARGE:
        return _in_pieces(path, app_url, names, stated, resume)["file"]
    query = "&".join(f"{flag}={value}" for flag, value in names.items() if flag != "path")
    url = tree_url(app_url, target)
    found: dict[str, Any] = _send(path, f"{url}?{query}" if query else url, stated, "file")["file"]
    return found


def _in_pieces(
    path: Path, base: str, names: dict[str, str], stated: dict[str, str], resume: bool
) -> dict[str, Any]:
    return PiecewiseUpload(pool(), path, base, names, stated, resume=resume, watch=on_a_bar).send()


def _send(path: Path, url: str, headers: dict[str, str], *names: str) -> dict[str, Any]:
    """As send_whole(), once: who calls a command sees what a busy server says, and calls again."""
    try:
        return send_whole(pool(), path, url, headers, *names, watch=on_a_bar)
    except TriesAgain as busy:
        raise busy.error from None


@click.command()
@click.argument("what", metavar="URL|ID|PATH")
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), help="Where to write; - for standard output."
)
@click.option("-f", "--force", is_flag=True, help="Replace a file of the same name.")
@json_option
@may_speak_to_app
def get(what: str, output: Path | None, force: bool, ini: str | None, app_url: str, as_json: bool) -> None:
    """Fetch a file by its URL, its id, or its path in the named tree: /a/b.txt, or a/b.txt.

    Prints where it was written.  A file that is there already is replaced only with --force, or if
    --output names it.  What an interrupted run left in NAME.part is continued, if the file is still
    the same one, and the whole is checked against its SHA-256 before it gets its name.
    """
    if is_said("app_url"):
        refuse_idle("beside --app-url", "ini")
    url = what if _URL.match(what) else _address(what, app_place(app_url, ini))
    if output == Path("-"):
        refuse_idle("with standard output", "force", "as_json")
    if output is not None and not output.is_dir():
        refuse_idle("beside a file that --output names", "force")
    if not app_url or not url.startswith(app_url.rstrip("/") + "/"):
        refuse_idle("with a URL of another server", "app_url", "user", "token_file", "ini")
    path = download_to(pool(), url, output, replace=force, watch=on_a_bar)
    if path is None:
        return
    click.echo(json.dumps({"path": str(path), "size": path.stat().st_size}) if as_json else str(path))


def _address(what: str, app_url: str) -> str:
    """The URL to ask for a file at, by its id or path; a name is never taken for a host's."""
    if what.isascii() and what.isdigit():
        return f"{app_url.rstrip('/')}/files/{what}"
    return tree_url(app_url, path_in_tree(what))


@click.command()
@click.argument("what", metavar="URL|ID|PATH")
@json_option
@speaks_to_app
def info(what: str, app_url: str, as_json: bool) -> None:
    """Say what the library knows about a file, by its id, its URL, or its path in the named tree."""
    alias_id = what if what.isascii() and what.isdigit() else _id_of(what, app_url)
    url = f"{app_url.rstrip('/')}/files/{alias_id}"
    answer = pool().request("GET", url, headers={"Accept": "application/json"})
    if answer.status != 200:  # OK
        raise refusal(what, answer)
    if as_json:
        sys.stdout.write(answer.data.decode() + "\n")
        return
    for key, value in answered(what, answer).items():
        click.echo(f"{key:<13} {'-' if value is None else _quota_line(value) if key == 'quota' else value}")


def _quota_line(quota: Any) -> str:
    """What the owner of a file has, of what they may have."""
    told = []
    for name, used in quota["used"].items():
        limit = quota["limit"][name]
        told.append(
            f"{'?' if used is None else used} of {'any number of' if limit is None else limit} {name}"
        )
    return f"{quota['name']}: {', '.join(told)}"


def _id_of(what: str, app_url: str) -> str:
    if _URL.match(what):
        return _id_in(what)
    url = tree_url(app_url, path_in_tree(what))
    answer = pool().request("GET", url, headers={"Accept": "application/json"})
    if answer.status != 200:  # OK
        raise refusal(what, answer)
    found = answered(what, answer, "kind")
    if found["kind"] != "file":
        raise TransferFailed(f"{what}: a {found['kind']} of the named tree, and no file")
    return str(answered(what, answer, "file")["file"]["id"])


def _id_in(url: str) -> str:
    for part in reversed(urlsplit(url).path.split("/")):
        if part.isdigit():
            return part
    raise TransferFailed(f"{url}: no file id in it")
