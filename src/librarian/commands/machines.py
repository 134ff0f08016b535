"""``librarian machines``: the daemons of code imports, and the commands of their operators."""

import functools
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

from librarian.commands.common.effects import is_said, refuse_idle
from librarian.commands.common.lazy import place_in
from librarian.commands.common.quantities import Duration, Size
from librarian.machines.agent.controller import Controller
from librarian.machines.agent.runner import Limits
from librarian.machines.agent.scheduler_client import Api, HTTPSchedulerClient
from librarian.machines.agent.watchdog import Watchdog

USUAL_URL = "http://127.0.0.1:6543/"

BYTES = Size(binary=True)
LIMITS = (
    ("--time-limit", "24h", Duration(), "For one job."),
    ("--output-timeout", "1h", Duration(), "For a job without output."),
    ("--log-limit", "10M", BYTES, "For the log of one job."),
    ("--file-limit", "20G", BYTES, "For any file of a job."),
    ("--disk-limit", "60G", BYTES, "For all files of a job."),
)

# Not the options of `transfer`, which would import the library: machines that import code do without.
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, for scripts.")
app_url_option = click.option(
    "--app-url",
    envvar="LIBRARIAN_APP_URL",
    show_envvar=True,
    help=f"The web application with the registry of machines; otherwise as --config says, or {USUAL_URL}",
)
ini_option = click.option(
    "-c",
    "--config",
    "ini",
    envvar="LIBRARIAN_INI",
    show_envvar=True,
    type=click.Path(exists=True, dir_okay=False),
    help="The ini file that says where the server is, on a machine with a whole installation.",
)
token_file_option = click.option(
    "--token-file",
    envvar="LIBRARIAN_TOKEN_FILE",
    show_envvar=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A file with an API token of the scope machines.  Without it: the variable LIBRARIAN_TOKEN.",
)


def with_api(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds --app-url, --config and --token-file, and gives the command the arguments of `api_of`."""

    @functools.wraps(command)
    def asking(app_url: str | None, ini: str | None, **more: Any) -> Any:
        if is_said("app_url"):
            refuse_idle("beside --app-url", "ini")
        return command(app_url=_chosen_url(app_url, ini), **more)

    return ini_option(app_url_option(token_file_option(asking)))


def _chosen_url(app_url: str | None, ini: str | None) -> str:
    if ini is None or (app_url and not is_said("ini")):
        return app_url or USUAL_URL
    return place_in("app_url", ini, "--app-url")


def api_of(app_url: str, token_file: Path | None) -> Api:
    """The JSON of the web application.  Raises click.UsageError without a token: all of it needs one."""
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


def with_limits(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds the options for the limits of a job, and gives the command one argument `limits`."""

    @functools.wraps(command)
    def limited(
        time_limit: float,
        output_timeout: float,
        log_limit: int,
        file_limit: int,
        disk_limit: int,
        **more: Any,
    ) -> Any:
        return command(limits=Limits(time_limit, output_timeout, log_limit, file_limit, disk_limit), **more)

    for name, default, kind, text in reversed(LIMITS):
        limited = click.option(name, default=default, show_default=True, type=kind, help=text)(limited)
    return limited


@machines.command()
@click.option(
    "--hostname", default=socket.gethostname, show_default="this machine's", help="The machine's name."
)
@click.option("--workers", default=2, show_default=True, type=click.IntRange(1, 1000), help="Jobs at once.")
@click.option(
    "--directory",
    default="code-imports",
    show_default=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="For the jobs' files; two controllers cannot share it.",
)
@click.option("--every", default="30s", show_default=True, type=Duration(), help="Pause between polls.")
@with_limits
@click.option("--drain-deadline", type=Duration(), help="How long quiescing may take.  Default: any time.")
@click.option("--exit-when-quiesced", is_flag=True, help="End once the machine was quiesced by a person.")
@click.option("--once", is_flag=True, help="Run the jobs that are due, then end.")
@click.option("--local-repositories", is_flag=True, help="Allow file: URLs, which read this machine's disk.")
@with_api
def run(
    hostname: str,
    workers: int,
    directory: Path,
    every: float,
    limits: Limits,
    drain_deadline: float | None,
    exit_when_quiesced: bool,
    once: bool,
    local_repositories: bool,
    app_url: str,
    token_file: Path | None,
) -> None:
    """The controller daemon of this machine.

    It sets the machine online, polls for jobs, runs each as a process, and sets the machine offline
    when it is stopped (SIGTERM or Ctrl-C): its jobs then go to other machines at once.  A machine
    that a person took out of service stays so until a person sets it online; the daemon waits for
    that.
    """
    if once:
        refuse_idle("with --once", "every", "exit_when_quiesced")
    client = HTTPSchedulerClient(api_of(app_url, token_file), hostname)
    controller = Controller(
        client,
        directory.resolve(),
        workers,
        limits=limits,
        local=local_repositories,
        drain_seconds=drain_deadline,
    )
    if once:
        controller.run_once()
    else:
        controller.run(until_stopped(), every, exit_when_quiesced=exit_when_quiesced)


@machines.command()
@click.option("--every", default="1m", show_default=True, type=Duration(), help="Pause between checks.")
@click.option("--once", is_flag=True, help="Check once, without waiting, then end.")
@with_api
def watchdog(every: float, once: bool, app_url: str, token_file: Path | None) -> None:
    """Set machines offline that sent no heartbeat for too long.

    How long is the setting librarian.machines.heartbeat_timeout of the server.  After its start, and
    after the server was out of reach, the watchdog waits that long before it sets a machine offline.
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
    """Every machine: its state, its jobs, its last heartbeat, and the reasons for its state."""
    _show(api_of(app_url, token_file).get("")["machines"], as_json, _machine_line)


def _show(found: list[dict[str, Any]], as_json: bool, line: Callable[[dict[str, Any]], str]) -> None:
    """Print JSON, or a line for each."""
    if as_json:
        click.echo(json.dumps(found))
        return
    for one in found:
        click.echo(line(one))


def _machine_line(machine: dict[str, Any]) -> str:
    heartbeat = f"{machine['heartbeat_ago']} ago" if machine["heartbeat_ago"] else "never"
    cordon = machine["cordon"]
    cordoned = f"cordoned by {cordon['person'] or 'a program'}: {cordon['reason']}" if cordon else None
    why = " ".join(filter(None, (cordoned, machine["offline_reason"], machine["message"])))
    jobs = machine["jobs_running"]
    return f"{machine['hostname']:<30} {machine['state']:<9} {jobs:>3}  {heartbeat:<24} {why}".rstrip()


def _state_command(name: str, state: str, doc: str) -> None:
    @machines.command(name, help=doc)
    @click.argument("hostname")
    @click.option("--message", default="", help="The reason, for other operators.")
    @with_api
    def command(hostname: str, message: str, app_url: str, token_file: Path | None) -> None:
        answer = api_of(app_url, token_file).post(
            f"/{quote(hostname, safe='')}", state=state, message=message
        )
        click.echo(f"{answer['hostname']} {answer['state']}")


_state_command("online", "ONLINE", "Put a machine back into service.")
_state_command("offline", "OFFLINE", "Take a machine out of service at once; its jobs go to others.")
_state_command("quiesce", "QUIESCING", "Take a machine out of service once its jobs are done.")


@machines.command()
@click.argument("hostname")
@click.option("--reason", required=True, help="The reason, for other operators.")
@with_api
def cordon(hostname: str, reason: str, app_url: str, token_file: Path | None) -> None:
    """Give a machine no more jobs, whatever its state, until `uncordon`."""
    api_of(app_url, token_file).post(f"/{quote(hostname, safe='')}/+cordon", reason=reason)
    click.echo(f"{hostname} cordoned")


@machines.command()
@click.argument("hostname")
@click.option("--message", default="", help="A note for other operators.")
@with_api
def uncordon(hostname: str, message: str, app_url: str, token_file: Path | None) -> None:
    """Give a machine jobs again."""
    api_of(app_url, token_file).post(f"/{quote(hostname, safe='')}/+uncordon", message=message)
    click.echo(f"{hostname} no longer cordoned")


@machines.command()
@click.argument("hostname")
@with_api
def forget(hostname: str, app_url: str, token_file: Path | None) -> None:
    """Delete an offline machine that will not come back; its events stay."""
    api_of(app_url, token_file).post(f"/{quote(hostname, safe='')}/+forget")
    click.echo(f"{hostname} forgotten")


@machines.command("imports")
@json_option
@with_api
def list_imports(as_json: bool, app_url: str, token_file: Path | None) -> None:
    """Every import: its status, its last success, its job."""
    _show(api_of(app_url, token_file).get("/+imports")["imports"], as_json, _import_line)


def _import_line(code_import: dict[str, Any]) -> str:
    success = f"{code_import['last_successful_ago']} ago" if code_import["last_successful_ago"] else "never"
    job = code_import["job"] or {"state": "-", "machine": None}
    where = f" on {job['machine']}" if job["machine"] else ""
    return f"{code_import['name']:<30} {code_import['review_status']:<9} {success:<24} {job['state']}{where}"


@machines.command("import")
@click.argument("name")
@click.argument("url")
@click.option(
    "--kind",
    default="git",
    show_default=True,
    type=click.Choice(["git", "hg", "svn"]),
    help="What it is.",
)
@click.option("--every", default="6h", show_default=True, help="How often it is fetched.")
@click.option("--private", is_flag=True, help="Keep bundle and logs restricted.")
@with_api
def add_import(
    name: str, url: str, kind: str, every: str, private: bool, app_url: str, token_file: Path | None
) -> None:
    """Import the repository at URL as NAME, from now on."""
    answer = api_of(app_url, token_file).post(
        "/+imports",
        name=name,
        url=url,
        rcs_type=kind.upper(),
        update_interval=every,
        private=private,
        review_status="REVIEWED",
    )
    click.echo(f"{answer['name']} {answer['review_status']}")


@machines.command()
@click.argument("name")
@with_api
def request(name: str, app_url: str, token_file: Path | None) -> None:
    """Have the import NAME run next."""
    api_of(app_url, token_file).post(f"/+imports/{quote(name, safe='')}", do="request")
    click.echo(f"{name} requested")
