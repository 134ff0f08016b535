"""``librarian mirrors``: the registry of mirrors and their prober."""

import json
import sys
import time
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from zope.component import getUtility
from zope.security.proxy import removeSecurityProxy

from librarian.commands.common.site import ini_option, opened_site
from librarian.countries import ICountrySet
from librarian.mail import deliver_queue
from librarian.mirrors.archive.by_hand import import_images, import_json
from librarian.mirrors.archive.importing import ArchiveImport, ImportOptions
from librarian.mirrors.archive.sources import open_archive
from librarian.mirrors.dispatch.running import ProbeRun, RunOptions, explain, summary_json
from librarian.mirrors.enums import MirrorContent, MirrorPulseType, MirrorReviewStatus, MirrorSpeed
from librarian.mirrors.interfaces import IDistributionSet, NoSuchMirror
from librarian.mirrors.probing.plan import ProbeReport
from librarian.mirrors.service import mirror_settings
from librarian.mirrors.views.description import describe
from librarian.security.people.interfaces import IPersonSet, ITeamSet, NoSuchPerson
from librarian.tree.interfaces import ITree

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, for scripts.")
_SPEEDS = [speed.name for speed in MirrorSpeed]
_CONTENTS = {"archive": MirrorContent.ARCHIVE, "cdimage": MirrorContent.RELEASE}


@click.group()
def mirrors() -> None:
    """Mirrors of a distribution: register, probe, list."""


def _say(message: str) -> None:
    """A line for whoever reads the cron mail."""
    click.echo(f"{'INFO':<7} {message}", err=True)


@mirrors.command()
@ini_option
@click.option("--content-type", type=click.Choice(sorted(_CONTENTS)), default="archive", show_default=True)
@click.option("--force", is_flag=True, help="Probe everybody, due or not.")
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
    options = RunOptions(_CONTENTS[content_type], force, max_mirrors)
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


def _probe_once(options: RunOptions) -> Any:
    _say("Probing Distribution Mirrors")
    with _progress() as bar:
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


def _progress() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=Console(stderr=True),
        disable=not sys.stderr.isatty(),
        transient=True,
    )


@mirrors.command("import-archive")
@ini_option
@click.argument("distribution")
@click.argument("location")
@click.argument("releases", nargs=-1, required=True)
@click.option(
    "--keyring",
    type=click.Path(exists=True, dir_okay=False),
    help="Whose signatures count; otherwise as the settings say.",
)
@click.option("--component", "components", multiple=True, help="Only these; otherwise all.")
@click.option("--allow-expired", is_flag=True, help="Read suites past their Valid-Until.")
@json_option
def import_archive(
    ini: str,
    distribution: str,
    location: str,
    releases: tuple[str, ...],
    keyring: str | None,
    components: tuple[str, ...],
    allow_expired: bool,
    as_json: bool,
) -> None:
    """Read what the archive at LOCATION (a URL or a directory) has published for RELEASES.

    All pockets of each release are read.  Run it as often as the archive changes: what is new gets the
    date of the Release file it came with.
    """
    with opened_site(ini):
        _distribution(distribution)
        trusted = keyring or mirror_settings().keyring_of(distribution)
        options = ImportOptions(keyring=trusted, components=components, allow_expired=allow_expired)
        taking = ArchiveImport(open_archive(location), distribution, options)
        with _progress() as bar:
            task = bar.add_task("indices", total=None)
            for release in releases:
                taking.run(release, lambda name: bar.update(task, description=name, advance=1))
    summary = taking.summary
    if as_json:
        click.echo(json.dumps({name: getattr(summary, name) for name in summary.__slots__}))
        return
    if not summary.verified:
        click.echo("signatures were not checked; use --keyring or librarian.mirrors.keyring", err=True)
    click.echo(f"read: {' '.join(summary.suites) or '-'}; unchanged: {' '.join(summary.unchanged) or '-'}")
    click.echo(f"{summary.published} files published, {summary.superseded} superseded")


@mirrors.command("import-json")
@ini_option
@click.argument("distribution")
@click.argument("file", type=click.File("rb"))
def import_publications(ini: str, distribution: str, file: Any) -> None:
    """Take in publications described as JSON in FILE (- for standard input)."""
    text = file.read()
    with opened_site(ini):
        new = getUtility(ITree).run(lambda: import_json(_distribution(distribution), text))
    click.echo(f"{new} files published")


@mirrors.command("import-images")
@ini_option
@click.argument("distribution")
@click.argument("location")
def import_image_list(ini: str, distribution: str, location: str) -> None:
    """Say which images mirrors of images ought to have: the list at LOCATION, a file or a URL.

    One image a line: flavour, series, path and size, with tabs between.
    """
    base, _, name = location.rpartition("/")
    text = open_archive(base or ".").read(name) if "://" in location else Path(location).read_bytes()
    with opened_site(ini):
        lines = text.decode().splitlines()
        count = getUtility(ITree).run(lambda: import_images(_distribution(distribution), lines))
    click.echo(f"{count} images")


@mirrors.command("add-distribution")
@ini_option
@click.argument("name")
@click.argument("display_name")
@click.option("--main-url", help="Where the archive itself is: the mirror that is last in every list.")
def add_distribution(ini: str, name: str, display_name: str, main_url: str | None) -> None:
    """Add a distribution."""
    with opened_site(ini):
        getUtility(ITree).run(lambda: getUtility(IDistributionSet).new(name, display_name, main_url).id)
    click.echo(name)


@mirrors.command()
@ini_option
@click.argument("distribution")
@click.argument("name")
@click.argument("url")
@click.option("--owner", required=True, help="Name of a person or a team.")
@click.option("--country", required=True, help="Two letters.")
@click.option(
    "--speed", type=click.Choice([each.name for each in MirrorSpeed]), default="S1G", show_default=True
)
@click.option("--content-type", type=click.Choice(sorted(_CONTENTS)), default="archive", show_default=True)
@click.option("--official", is_flag=True, help="It needs no review.")
def add(
    ini: str,
    distribution: str,
    name: str,
    url: str,
    owner: str,
    country: str,
    speed: str,
    content_type: str,
    official: bool,
) -> None:
    """Register a mirror whose files start at URL."""

    def work() -> int:
        person, scheme = _owner(owner), url.partition(":")[0]
        mirror = _distribution(distribution).newMirror(
            person,
            name,
            MirrorSpeed[speed],
            getUtility(ICountrySet)[country],
            _CONTENTS[content_type],
            MirrorPulseType.PULL,
            **{f"{'http' if scheme not in ('https', 'ftp') else scheme}_base_url": url},
        )
        if official:
            mirror.review(MirrorReviewStatus.OFFICIAL, person)
        return int(mirror.id)

    with opened_site(ini):
        click.echo(getUtility(ITree).run(work))


@mirrors.command()
@ini_option
@click.argument("distribution")
@click.argument("name")
@click.argument("verdict", type=click.Choice([each.name.lower() for each in MirrorReviewStatus]))
@click.option("--reviewer", required=True, help="Name of the person who judges.")
def review(ini: str, distribution: str, name: str, verdict: str, reviewer: str) -> None:
    """Judge the mirror NAME."""
    status = MirrorReviewStatus[verdict.upper()]
    with opened_site(ini):
        getUtility(ITree).run(lambda: _mirror(distribution, name).review(status, _owner(reviewer)))
    click.echo(f"{name} is {status.title.lower()}")


@mirrors.command()
@ini_option
@click.argument("distribution")
@click.argument("name")
def enable(ini: str, distribution: str, name: str) -> None:
    """Switch the mirror NAME on."""
    _switch(ini, distribution, name, True)


@mirrors.command()
@ini_option
@click.argument("distribution")
@click.argument("name")
def disable(ini: str, distribution: str, name: str) -> None:
    """Switch the mirror NAME off, until somebody switches it on."""
    _switch(ini, distribution, name, False)


def _switch(ini: str, distribution: str, name: str, enabled: bool) -> None:
    def work() -> None:
        _mirror(distribution, name).enabled = enabled

    with opened_site(ini):
        getUtility(ITree).run(work)
    click.echo(f"{name} is {'on' if enabled else 'off'}")


@mirrors.command("set-release")
@ini_option
@click.argument("distribution")
@click.argument("release")
@click.option("--active/--inactive", required=True, help="Whether mirrors are asked for it.")
def set_release(ini: str, distribution: str, release: str, active: bool) -> None:
    """Say whether mirrors are still asked for RELEASE."""
    with opened_site(ini):
        getUtility(ITree).run(
            lambda: setattr(_distribution(distribution).getRelease(release), "active", active)
        )
    click.echo(f"{release} is {'' if active else 'not '}probed")


@mirrors.command("list")
@ini_option
@click.argument("distribution")
@json_option
def list_mirrors(ini: str, distribution: str, as_json: bool) -> None:
    """List all mirrors of a distribution with what is known of each."""
    with opened_site(ini):
        found = [describe(mirror) for mirror in _distribution(distribution).mirrors]
    if as_json:
        click.echo(json.dumps(found))
        return
    for each in found:
        state = "on" if each["enabled"] else f"off ({each['disabled_by']})"
        click.echo(
            f"{each['name']:<24} {each['country']}  {state:<13} {each['review_status']:<15} "
            f"{each['freshness']:<15} {each['base_urls'][0]}"
        )


def _distribution(name: str) -> Any:
    return removeSecurityProxy(getUtility(IDistributionSet)[name])


def _mirror(distribution: str, name: str) -> Any:
    try:
        return _distribution(distribution)[name]
    except KeyError as error:
        raise NoSuchMirror(name) from error


def _owner(name: str) -> Any:
    found = getUtility(IPersonSet).getByName(name) or getUtility(ITeamSet).getByName(name)
    if found is None:
        raise NoSuchPerson(name)
    return removeSecurityProxy(found)
