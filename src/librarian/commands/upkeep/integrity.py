"""``librarian scrub`` and ``fsck``: is everything still what it was?"""

import json
import sys
from contextlib import nullcontext
from fractions import Fraction
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from librarian.app import read_ini
from librarian.clock import Pace
from librarian.commands.common.effects import refuse_idle
from librarian.commands.common.quantities import Share, Size
from librarian.commands.common.site import ini_file_option, ini_option, opened_site
from librarian.library.backup.restoring import CheckBackup
from librarian.library.operations import Library
from librarian.library.upkeep.checking import ERROR, Check, Finding
from librarian.library.upkeep.outcomes import recorded
from librarian.library.upkeep.scrubbing import Damage, Scrub, ScrubReport
from librarian.library.upkeep.tree_checking import CheckTree
from librarian.settings import Settings
from librarian.store.copies import Copies
from librarian.tree.filestorage.crash_recovery import repair as repair_tree
from librarian.tree.opening import data_file
from librarian.tree.settings import TreeSettings

json_option = click.option("--json", "as_json", is_flag=True, help="Print a report as JSON, for scripts.")


@click.command()
@click.option(
    "--share", type=Share(), help="Read the next part only, such as 1/30, and go on from there next time."
)
@click.option("--rate", type=Size(), help="Read no more than this a second, such as 50MB.")
@click.option("--budget", type=Size(), help="End after so many bytes, and go on from there next time.")
@click.option(
    "--repair-from",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="A byte folder of another store or of a backup, to take sound bytes from.",
)
@json_option
@ini_option
def scrub(
    share: Fraction | None,
    rate: int | None,
    budget: int | None,
    repair_from: Path | None,
    as_json: bool,
    ini: str,
) -> None:
    """Read all stored bytes again, and quarantine what is damaged.

    Damaged files answer 503 until they are repaired.  A run that is interrupted goes on where it
    stopped.  Exit status 1 if something is damaged or missing and could not be repaired.
    """
    with opened_site(ini), _bar("scrubbing") as bar, recorded("scrub") as ending:
        task = bar.add_task("scrubbing", total=1.0)
        work = Scrub(
            Library(),
            None if repair_from is None else Copies(repair_from),
            Pace(rate).spend,
            (lambda damage: None) if as_json else _tell_damage,
            lambda part: bar.update(task, completed=part),
        )
        report = work.run(share, budget)
        ending.say(scrub_summary(report), is_well=not report.remaining)
    click.echo(json.dumps(scrub_as_dict(report)) if as_json else scrub_summary(report))
    sys.exit(1 if report.remaining else 0)


def _bar(title: str) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        disable=not sys.stderr.isatty(),
        transient=True,
    )


def _tell_damage(damage: Damage) -> None:
    click.echo(f"{damage.state} {damage.sha256}")
    for alias in damage.aliases:
        click.echo(f"  {_alias_line(alias)}")


def _alias_line(alias: dict[str, Any]) -> str:
    deleted = " (deleted)" if alias["deleted"] else ""
    holders = "".join(f", held by {holder}" for holder in alias["holders"])
    return f"alias {alias['id']} {alias['url']}{deleted}{holders}"


def scrub_as_dict(report: ScrubReport) -> dict[str, Any]:
    """The report of a scrub as JSON shows it; `bytes` were read and are whole."""
    damage = [
        {"sha256": found.sha256, "state": found.state, "aliases": found.aliases} for found in report.damage
    ]
    return {"contents": report.contents, "bytes": report.bytes, "damage": damage}


def scrub_summary(report: ScrubReport) -> str:
    """One line for the end."""
    states = [found.state for found in report.damage]
    told = [f"{states.count(state)} {state}" for state in dict.fromkeys(states)]
    return f"{report.contents} contents read, {report.bytes} bytes whole; {', '.join(told) or 'no damage'}"


@click.command()
@click.option(
    "--backup",
    "folder",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Compare the backup in this folder with its manifest instead; needs no ini file.",
)
@click.option(
    "--tree", "of_tree", is_flag=True, help="Read the tree's own file through instead, with --repair."
)
@click.option(
    "--repair",
    is_flag=True,
    help="Put wrong counts of quotas right.  With --tree, no server running: cut a torn end off, or take back"
    " the tree of before a pack.",
)
@click.option("--name", default="", help="With --backup: an older one, by its name in DIR/manifests.")
@json_option
@ini_file_option
def fsck(folder: Path | None, of_tree: bool, repair: bool, name: str, as_json: bool, ini: str) -> None:
    """Compare the tree with the byte store, both ways, and with its own indexes.

    Reads no bytes; scrub does.  Notices name what upkeep takes care of in time.  Exit status 1 if
    there are errors.

    With --tree the file that the tree is in is read through, each transaction by its checksum; it need
    not be one that opens.
    """
    _refuse_pairs(folder, of_tree, repair, name)
    path = _tree_file(ini) if of_tree else None
    if path is not None and repair:
        click.echo(repair_tree(path), err=as_json)
    with (
        nullcontext() if folder or path else opened_site(ini),
        Console(stderr=True).status("checking") as status,
    ):
        if not sys.stderr.isatty():
            status.stop()
        errors = _tell_findings(_chosen_check(folder, path, name, repair, status), as_json)
    sys.exit(1 if errors else 0)


def _refuse_pairs(folder: Path | None, of_tree: bool, repair: bool, name: str) -> None:
    """Raise UsageError for options of fsck that exclude or need each other."""
    if of_tree and folder is not None:
        raise click.UsageError("--tree and --backup are of two different things")
    if repair and folder is not None:
        raise click.UsageError("--repair is of the library and its tree: a backup is left as it is")
    if name and folder is None:
        raise click.UsageError("--name is of a backup: it needs --backup DIR")
    if folder is not None:
        refuse_idle("with --backup, which needs no ini file", "ini")


def _chosen_check(folder: Path | None, path: Path | None, name: str, repair: bool, status: Any) -> Any:
    """The check of the tree's file at `path`, of the backup in `folder`, or else of the installation."""

    def progress(part: str, seen: int) -> None:
        status.update(f"checking {part}: {seen}")

    if path is not None:
        return CheckTree(path, progress)
    return CheckBackup(folder, name, progress) if folder else Check(Library(), progress, repairs=repair)


def _tree_file(ini: str) -> Path:
    return data_file(Settings(read_ini(ini)).section(TreeSettings).database_uri)


def _tell_findings(check: Any, as_json: bool) -> int:
    """Print all that is found, then a summary; the number of errors."""
    errors = notices = 0
    for finding in check:
        errors += finding.severity == ERROR
        notices += finding.severity != ERROR
        click.echo(json.dumps(finding_as_dict(finding)) if as_json else str(finding))
    if as_json:
        click.echo(json.dumps({"seen": check.seen, "errors": errors, "notices": notices}))
    else:
        seen = ", ".join(f"{number} {part}" for part, number in check.seen.items() if number)
        click.echo(f"{errors} errors, {notices} notices in {seen or 'an empty library'}")
    return errors


def finding_as_dict(finding: Finding) -> dict[str, str]:
    """A line of the JSON report: a stream of objects, the last one of which sums up."""
    return {
        "severity": finding.severity,
        "kind": finding.kind,
        "what": finding.what,
        "detail": finding.detail,
    }
