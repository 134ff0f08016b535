"""``librarian gc`` and ``sweep``: get space back."""

import json
import sys
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import click
from rich.console import Console

from librarian.commands.common.effects import refuse_idle
from librarian.commands.common.site import ini_option, opened_site
from librarian.library.operations import Library
from librarian.library.upkeep.garbage.collector import STEPS, GarbageCollector
from librarian.library.upkeep.garbage.report import Action, Report
from librarian.library.upkeep.outcomes import Ending, recorded

dry_run_option = click.option("--dry-run", is_flag=True, help="Print what would be done, and do nothing.")
json_option = click.option("--json", "as_json", is_flag=True, help="Print a report as JSON, for scripts.")
quiet_option = click.option("-q", "--quiet", is_flag=True, help="Print nothing but errors.")
empty_tree_option = click.option(
    "--trust-empty-tree", is_flag=True, help="Sweep even if the tree names nothing while there are bytes."
)
yes_really_option = click.option(
    "--yes-really", is_flag=True, help="Sweep even an unusual share of all bytes (librarian.sweep_max_share)."
)


@click.command()
@click.option("--only", multiple=True, type=click.Choice(STEPS), help="Do this step alone; may be repeated.")
@click.option("--skip", multiple=True, type=click.Choice(STEPS), help="Leave this step out; may be repeated.")
@dry_run_option
@quiet_option
@json_option
@empty_tree_option
@yes_really_option
@ini_option
def gc(  # one for each option
    only: tuple[str, ...],
    skip: tuple[str, ...],
    dry_run: bool,
    quiet: bool,
    as_json: bool,
    trust_empty_tree: bool,
    yes_really: bool,
    ini: str,
) -> None:
    """Collect garbage: expire aliases, drop files without references, sweep the bytes.

    Safe beside a running server.  One line is printed for each thing that is done.
    """
    if only:
        refuse_idle("beside --only, which leaves everything else out", "skip")
    steps = tuple(step for step in STEPS if (not only or step in only) and step not in skip)
    if not steps:
        raise click.UsageError("every step is left out")
    if "bytes" not in steps:
        refuse_idle("without the step bytes", "trust_empty_tree", "yes_really")
    consent = {"trust_empty_tree": trust_empty_tree, "yes_really": yes_really}
    collect(ini, steps, dry_run=dry_run, quiet=quiet, as_json=as_json, **consent)


@click.command()
@dry_run_option
@quiet_option
@json_option
@empty_tree_option
@yes_really_option
@ini_option
def sweep(dry_run: bool, quiet: bool, as_json: bool, ini: str, **consent: bool) -> None:
    """Remove bytes that no content names: the step "bytes" of gc alone."""
    collect(ini, ("bytes",), dry_run=dry_run, quiet=quiet, as_json=as_json, **consent)


def collect(
    ini: str,
    steps: tuple[str, ...],
    *,
    dry_run: bool,
    quiet: bool,
    as_json: bool,
    trust_empty_tree: bool,
    yes_really: bool,
) -> None:
    """Run the collector and say what it did.  Exit status 1 if a sweep was held back."""
    if as_json:
        refuse_idle("with --json, which is the report", "quiet")
    console = Console(stderr=True)
    with opened_site(ini), console.status("collecting") as status:
        if quiet or not sys.stderr.isatty():
            status.stop()
        collector = GarbageCollector(Library(), dry_run, _teller(quiet or as_json, status))
        with nullcontext(Ending()) if dry_run else recorded(_task(steps)) as ending:
            report = collector.run(steps, trust_empty_tree=trust_empty_tree, however_much=yes_really)
            ending.say(summary(report, dry_run), not report.held_back and not report.full)
    if as_json:
        click.echo(json.dumps({"dry_run": dry_run, **as_dict(report)}))
    elif not quiet:
        click.echo(summary(report, dry_run))
    _exit(report, dry_run, quiet)


def _task(steps: tuple[str, ...]) -> str:
    return "sweep" if steps == ("bytes",) else "gc"


def _exit(report: Report, dry_run: bool, quiet: bool) -> None:
    """End with status 1 after a sweep that was held back, or a step that found no room."""
    if report.held_back and not dry_run:
        if quiet:
            click.echo(f"Error: {report.skipped['bytes']}", err=True)
        sys.exit(1)
    if report.full:
        sys.exit(1)


def _teller(silent: bool, status: Any) -> Callable[[Action], None]:
    def tell(action: Action) -> None:
        status.update(f"{action.step}: {action.what}")
        if not silent:
            click.echo(str(action))

    return tell


def as_dict(report: Report) -> dict[str, Any]:
    """The report of a run as JSON shows it; `freed` is in bytes."""
    return {"seen": report.seen, "done": report.done, "freed": report.freed, "skipped": report.skipped}


def summary(report: Report, dry_run: bool) -> str:
    """One line for the end."""
    done = [f"{number} {verb}" for verbs in report.done.values() for verb, number in verbs.items()]
    done += [f"{step} left out: {why}" for step, why in report.skipped.items()]
    would = "would free" if dry_run else "freed"
    return f"{', '.join(done) or 'nothing to do'}; {would} {report.freed} bytes"
