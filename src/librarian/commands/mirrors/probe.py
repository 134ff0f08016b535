"""``librarian mirrors probe``: one probing run, or one after the other."""

import json
import sys
import time

import click

from librarian.commands.common.site import ini_option, opened_site
from librarian.commands.mirrors.lookup import CONTENTS, content_option, json_option
from librarian.commands.mirrors.probe_progress import progress
from librarian.mail.service import deliver_queue
from librarian.mirrors.probing.plan import ProbeReport
from librarian.mirrors.runs.probe_run import ProbeRun
from librarian.mirrors.runs.summary import RunOptions, RunSummary, explain, summary_json


def _say(message: str) -> None:
    """Print a line on standard error, which cron mails to its owner."""
    click.echo(f"{'INFO':<7} {message}", err=True)


@click.command()
@ini_option
@content_option
@click.option("--force", is_flag=True, help="Probe all mirrors, due or not.")
@click.option("--max-mirrors", type=click.IntRange(1), help="Probe at most so many.")
@click.option("--no-mail", is_flag=True, help="Leave the mail to owners in the queue.")
@click.option("--every", type=click.FloatRange(min=1), help="Go on, with so many seconds between runs.")
@json_option
def probe(
    ini: str,
    content_type: str,
    force: bool,
    max_mirrors: int | None,
    no_mail: bool,
    every: float | None,
    as_json: bool,
) -> None:
    """Probe the mirrors that are due, and record what they hold and how fresh it is.

    Exit status 1 if a mirror could not be judged because the prober's own network or settings may be why
    it failed.
    """
    options = RunOptions(CONTENTS[content_type], force, max_mirrors)
    with opened_site(ini):
        while True:
            summary = _probe_once(options)
            if not no_mail:
                deliver_queue()
            if as_json:
                click.echo(json.dumps(summary_json(summary)))
            if every is None:
                sys.exit(1 if summary.prober_offline or summary.unconfirmed else 0)
            time.sleep(every)


def _probe_once(options: RunOptions) -> RunSummary:
    _say("Probing Distribution Mirrors")
    with progress() as bar:
        task = bar.add_task("mirrors", total=None)

        def started(count: int) -> None:
            bar.update(task, total=count)

        def probed(report: ProbeReport) -> None:
            bar.advance(task)

        summary = ProbeRun(options, started, probed).run()
    for why in explain(summary):
        _say(why)
    nothing_due = not summary.probed and not summary.prober_offline
    _say("No mirrors to probe." if nothing_due else f"Probed {summary.probed} mirrors.")
    _say("Done.")
    return summary
