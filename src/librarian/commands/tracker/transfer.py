"""``librarian tracker get``, ``cat``, ``put`` and ``rm``."""

import sys
from typing import Any

import click

from librarian.commands.tracker.options import ClientMaker

BUFFER = 256 * 1024  # bytes


def get_options(command: Any) -> Any:
    """The options of every command that reads a file through the cache."""
    command = click.option("-f", "--refresh", is_flag=True, help="Do not read from the cache.")(command)
    return click.option("-c", "--no-cache", is_flag=True, help="Do not add to the cache.")(command)


@click.command()
@click.argument("name")
@click.argument("filename", type=click.Path(dir_okay=False))
@get_options
@click.pass_obj
def get(make: ClientMaker, name: str, filename: str, no_cache: bool, refresh: bool) -> None:
    """Write the file NAME to FILENAME; NAME@VERSION for a certain version."""
    make().get_file(name, filename, add_to_cache=not no_cache, force_refresh=refresh)


@click.command()
@click.argument("name")
@get_options
@click.pass_obj
def cat(make: ClientMaker, name: str, no_cache: bool, refresh: bool) -> None:
    """Write the file NAME to standard output."""
    client = make()
    through_cache = client.remote_store is not None and not no_cache
    stream, _found = client.get_stream(name, force_refresh=refresh, serve_from_cache=through_cache)
    with stream:
        while block := stream.read(BUFFER):
            sys.stdout.buffer.write(block)


@click.command()
@click.argument("filename", type=click.Path(exists=True, dir_okay=False))
@click.argument("name")
@click.option("--no-local-cache", is_flag=True, help="Do not add to the cache.")
@click.option("--no-remote-cache", is_flag=True, help="Do not send to the server.")
@click.pass_obj
def put(make: ClientMaker, filename: str, name: str, no_local_cache: bool, no_remote_cache: bool) -> None:
    """Store FILENAME under NAME, or NAME@VERSION; print the name with its version."""
    if no_local_cache and no_remote_cache:
        raise click.UsageError("--no-local-cache and --no-remote-cache together leave nothing to do")
    click.echo(make().put_file(name, filename, not no_local_cache, not no_remote_cache))


@click.command()
@click.argument("name")
@click.pass_obj
def rm(make: ClientMaker, name: str) -> None:
    """Delete NAME here and on the server; NAME@VERSION only if that is the newest."""
    make().delete_file(name)
