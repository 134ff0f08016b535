"""``librarian tracker ls``, ``version`` and ``history``."""

import json

import click

from librarian.commands.common.effects import refuse_idle_before
from librarian.commands.tracker.options import ClientMaker, json_option
from librarian.tracker.client import ProtocolMismatch, RemoteDataStore
from librarian.tracker.client.versioned_names import printable


@click.command()
@click.argument("name")
@click.pass_obj
def version(make: ClientMaker, name: str) -> None:
    """Print the newest version of NAME: seconds since 1970."""
    click.echo(make().file_version(name))


@click.command()
@click.argument("directory", default="/")
@click.option("--not-after", type=int, metavar="SECONDS", help="Only versions that are not greater.")
@click.option("--local", is_flag=True, help="The files of the cache.")
@json_option
@click.pass_obj
def ls(make: ClientMaker, directory: str, not_after: int | None, local: bool, as_json: bool) -> None:
    """Print the names below DIRECTORY."""
    if local:
        refuse_idle_before("with --local", "remote_url", "ini")
    client = make()
    prefix = f"/{directory.strip('/')}/".replace("//", "/")
    if local or client.remote_store is None:
        entries = [entry for entry in client.list_local_files() if entry.name.startswith(prefix)]
        names = [entry.name for entry in entries if not_after is None or entry.mtime <= not_after]
    else:
        names = [prefix + name for name in client.list_remote_files(not_after, directory)]
    lines = "\n".join(map(printable, names))
    click.echo(json.dumps(names) if as_json else lines, nl=as_json or bool(names))


@click.command()
@click.argument("name")
@json_option
@click.pass_obj
def history(make: ClientMaker, name: str, as_json: bool) -> None:
    """Print the versions of NAME that the server keeps, newest first."""
    store = make().remote_store
    if not isinstance(store, RemoteDataStore):
        raise ProtocolMismatch("only a server keeps a history")
    versions = store.history(name)
    if as_json:
        click.echo(json.dumps(versions))
        return
    for one in versions:
        state = "present" if one["superseded"] is None else "deleted" if one["deleted"] else "replaced"
        click.echo(f"{one['version']:>12}  {one['size']:>12}  {state:<8}  {one['stored']}  {one['sha256']}")
