"""``librarian mirrors import-archive``, ``import-json`` and ``import-images``: what there is to mirror."""

import json
from pathlib import Path
from typing import Any

import click
from zope.component import getUtility

from librarian.commands.common.site import ini_option, opened_site
from librarian.commands.mirrors.lookup import distribution_named, json_option
from librarian.commands.mirrors.probe_progress import progress
from librarian.mirrors.archive.sources import open_archive
from librarian.mirrors.importing.manifests import import_images, import_json
from librarian.mirrors.importing.publications import ArchiveImport, ImportOptions
from librarian.mirrors.settings import mirror_settings
from librarian.tree.interfaces import ITree


@click.command("import-archive")
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
        distribution_named(distribution)
        trusted = keyring or mirror_settings().keyring_of(distribution)
        options = ImportOptions(keyring=trusted, components=components, allow_expired=allow_expired)
        taking = ArchiveImport(open_archive(location), distribution, options)
        with progress() as bar:
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


@click.command("import-json")
@ini_option
@click.argument("distribution")
@click.argument("file", type=click.File("rb"))
def import_publications(ini: str, distribution: str, file: Any) -> None:
    """Take in publications described as JSON in FILE (- for standard input)."""
    text = file.read()
    with opened_site(ini):
        new = getUtility(ITree).run(lambda: import_json(distribution_named(distribution), text))
    click.echo(f"{new} files published")


@click.command("import-images")
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
        count = getUtility(ITree).run(lambda: import_images(distribution_named(distribution), lines))
    click.echo(f"{count} images")
