"""``librarian machines``: the daemons of code imports, and what an operator tells them."""

import json
import os
import signal
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import click

from librarian.commands.common.effects import refuse_idle
from librarian.commands.common.quantities import Duration, Size
from librarian.machines.agent.controller import Controller
from librarian.machines.agent.runner import Limits
from librarian.machines.agent.scheduler_client import Api, HTTPSchedulerClient
from librarian.machines.agent.watchdog import Watchdog

BYTES = Size(binary=True)

# Not those of `transfer`, which brings the library along: a machine that imports code needs none.
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, for scripts.")
app_url_option = click.option(
    "--app-url",
    envvar="LIBRARIAN_APP_URL",
    default="http://127.0.0.1:6543/",
    show_default=True,
    help="The web application with the registry of machines.",
)
token_file_option = click.option(
    "--token-file",
    envvar="LIBRARIAN_TOKEN_FILE",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A file with an API token of the scope machines.  Without it: the variable LIBRARIAN_TOKEN.",
)


def with_api(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds --app-url and --token-file, out of which `api_of` makes an Api."""
    return app_url_option(token_file_option(command))


def api_of(app_url: str, token_file: Path | None) -> Api:
    """Raises a usage error where there is no token, since nothing here is for everybody."""
    token = token_file.read_text().strip() if token_file else os.environ.get("LIBRARIAN_TOKEN", "").strip()
    if not token or not token.isascii() or not token.isprintable():
        raise click.UsageError("a token is needed: --token-file FILE, or the variable LIBRARIAN_TOKEN")
    return Api(app_url, token)


def until_stopped() -> threading.Event:
    """An event that SIGTERM and Ctrl-C set."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: stop.set())
    return stop


@click.group()
def machines() -> None:
    """Code imports: the machines that run them, and the daemons on those."""


@machines.command()
@click.option("--hostname", default=socket.gethostname, show_default="this machine's", help="Who we are.")
@click.option("--workers", default=2, show_default=True, type=click.IntRange(1, 1000), help="Jobs at once.")
@click.option(
    "--directory",
    default="code-imports",
    show_default=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Where repositories are worked on; another controller may not use it.",
)
@click.option("--every", default="30s", show_default=True, type=Duration(), help="Pause between looks.")
@click.option("--time-limit", default="24h", show_default=True, type=Duration(), help="For one job.")
@click.option(
    "--silence-limit", default="1h", show_default=True, type=Duration(), help="For a job without a word."
)
@click.option("--log-limit", default="10M", show_default=True, type=BYTES, help="For the log of one job.")
@click.option("--file-limit", default="20G", show_default=True, type=BYTES, help="For any file of a job.")
@click.option("--disk-limit", default="60G", show_default=True, type=BYTES, help="For all files of a job.")
@click.option("--drain-deadline", type=Duration(), help="How long quiescing may take.  Without it: any time.")
@click.option("--exit-when-quiesced", is_flag=True, help="End once a person's quiescing is done.")
@click.option("--once", is_flag=True, help="Do what there is to do now, then end.")
@click.option("--local-repositories", is_flag=True, help="Follow file: URLs: read our own disk.")
@with_api
def run(
    hostname: str,
    workers: int,
    directory: Path,
    every: float,
    time_limit: float,
    silence_limit: float,
    log_limit: int,
    file_limit: int,
    disk_limit: int,
    drain_deadline: float | None,
    exit_when_quiesced: bool,
    once: bool,
    local_repositories: bool,
    app_url: str,
    token_file: Path | None,
) -> None:
    """The controller daemon of this machine.

    It sets the machine online, asks for jobs, runs each as a process of its own, and sets the
    machine offline when it is stopped (SIGTERM or Ctrl-C): its jobs then go to other machines at
    once.  A machine that a person took out of service stays so until a person sets it online;
    the daemon waits for that.
    """
    if once:
        refuse_idle("with --once", "every", "exit_when_quiesced")
    controller = Controller(
        HTTPSchedulerClient(api_of(app_url, token_file), hostname),
        directory.resolve(),
        workers,
        limits=Limits(time_limit, silence_limit, log_limit, file_limit, disk_limit),
        local=local_repositories,
        drain_seconds=drain_deadline,
    )
    if once:
        controller.run_once()
        return
    controller.run(until_stopped(), every, exit_when_quiesced=exit_when_quiesced)


@machines.command()
@click.option("--every", default="1m", show_default=True, type=Duration(), help="Pause between rounds.")
@click.option("--once", is_flag=True, help="Judge by what is known now, then end.")
@with_api
def watchdog(every: float, once: bool, app_url: str, token_file: Path | None) -> None:
    """Set machines offline that have fallen silent.

    How long a machine may be silent is the setting librarian.machines.silence_limit.  After its
    start, and after the registry was out of reach, it waits that long before it judges.
    """
    if once:
        refuse_idle("with --once", "every")
    dog = Watchdog(api_of(app_url, token_file))
    if not once:
        dog.run(until_stopped(), every)
        return
    for hostname in dog.check(judge_now=True):
        click.echo(f"{hostname} set offline")


@machines.command("list")
@json_option
@with_api
def list_machines(as_json: bool, app_url: str, token_file: Path | None) -> None:
    """Every machine: its state, its jobs, when it was last heard of, and why it is quiet."""
    told = api_of(app_url, token_file).get("")
    if as_json:
        click.echo(json.dumps(told["machines"]))
        return
    for machine in told["machines"]:
        heard = f"{machine['heartbeat_ago']} ago" if machine["heartbeat_ago"] else "never"
        cordon = machine["cordon"]
        held = f"cordoned by {cordon['person'] or 'a program'}: {cordon['reason']}" if cordon else None
        why = " ".join(filter(None, (held, machine["offline_reason"], machine["message"])))
        jobs = machine["jobs_running"]
        click.echo(f"{machine['hostname']:<30} {machine['state']:<9} {jobs:>3}  {heard:<24} {why}".rstrip())


def _state_command(name: str, state: str, doc: str) -> None:
    @machines.command(name, help=doc)
    @click.argument("hostname")
    @click.option("--message", default="", help="Why, for whoever looks at the machine.")
    @with_api
    def command(hostname: str, message: str, app_url: str, token_file: Path | None) -> None:
        told = api_of(app_url, token_file).post(f"/{quote(hostname, safe='')}", state=state, message=message)
        click.echo(f"{told['hostname']} {told['state']}")


_state_command("online", "ONLINE", "Put a machine back into service.")
_state_command("offline", "OFFLINE", "Take a machine out of service at once; its jobs go to others.")
_state_command("quiesce", "QUIESCING", "Take a machine out of service once its jobs are done.")


@machines.command()
@click.argument("hostname")
@click.option("--reason", required=True, help="Why; for colleagues.")
@with_api
def cordon(hostname: str, reason: str, app_url: str, token_file: Path | None) -> None:
    """Give a machine no more jobs, whatever its state, until `uncordon`."""
    api_of(app_url, token_file).post(f"/{quote(hostname, safe='')}/+cordon", reason=reason)
    click.echo(f"{hostname} cordoned")


@machines.command()
@click.argument("hostname")
@click.option("--message", default="", help="A word for colleagues.")
@with_api
def uncordon(hostname: str, message: str, app_url: str, token_file: Path | None) -> None:
    """Give a machine jobs again."""
    api_of(app_url, token_file).post(f"/{quote(hostname, safe='')}/+uncordon", message=message)
    click.echo(f"{hostname} no longer cordoned")


@machines.command()
@click.argument("hostname")
@with_api
def forget(hostname: str, app_url: str, token_file: Path | None) -> None:
    """Drop an offline machine that will not come back; what happened to it stays on record."""
    api_of(app_url, token_file).post(f"/{quote(hostname, safe='')}/+forget")
    click.echo(f"{hostname} forgotten")


@machines.command("imports")
@json_option
@with_api
def list_imports(as_json: bool, app_url: str, token_file: Path | None) -> None:
    """Every import: its status, its last success, its job."""
    told = api_of(app_url, token_file).get("/+imports")
    if as_json:
        click.echo(json.dumps(told["imports"]))
        return
    for one in told["imports"]:
        success = f"{one['last_successful_ago']} ago" if one["last_successful_ago"] else "never"
        job = one["job"] or {"state": "-", "machine": None}
        where = f" on {job['machine']}" if job["machine"] else ""
        click.echo(f"{one['name']:<30} {one['review_status']:<9} {success:<24} {job['state']}{where}")


@machines.command("import")
@click.argument("name")
@click.argument("url")
@click.option(
    "--kind", default="git", show_default=True, type=click.Choice(["git", "hg", "svn"]), help="Of repository."
)
@click.option("--every", default="6h", show_default=True, help="How often it is fetched.")
@click.option("--private", is_flag=True, help="Keep bundle and logs restricted.")
@with_api
def add_import(
    name: str, url: str, kind: str, every: str, private: bool, app_url: str, token_file: Path | None
) -> None:
    """Import the repository at URL as NAME, from now on."""
    told = api_of(app_url, token_file).post(
        "/+imports",
        name=name,
        url=url,
        rcs_type=kind.upper(),
        update_interval=every,
        private=private,
        review_status="REVIEWED",
    )
    click.echo(f"{told['name']} {told['review_status']}")


@machines.command()
@click.argument("name")
@with_api
def request(name: str, app_url: str, token_file: Path | None) -> None:
    """Have the import NAME run next."""
    api_of(app_url, token_file).post(f"/+imports/{quote(name, safe='')}", do="request")
    click.echo(f"{name} requested")
