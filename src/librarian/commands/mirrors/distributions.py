"""``librarian mirrors add-distribution`` and ``set-release``."""

import click
from zope.component import getUtility

from librarian.commands.common.site import ini_option, opened_site
from librarian.commands.mirrors.lookup import distribution_named
from librarian.mirrors.interfaces import IDistributionSet
from librarian.tree.interfaces import ITree


@click.command("add-distribution")
@ini_option
@click.argument("name")
@click.argument("display_name")
@click.option("--main-url", help="Where the archive itself is: the mirror that is last in every list.")
def add_distribution(ini: str, name: str, display_name: str, main_url: str | None) -> None:
    """Add a distribution."""
    with opened_site(ini):
        getUtility(ITree).run(lambda: getUtility(IDistributionSet).new(name, display_name, main_url).id)
    click.echo(name)


@click.command("set-release")
@ini_option
@click.argument("distribution")
@click.argument("release")
@click.option("--active/--inactive", required=True, help="Whether mirrors are asked for it.")
def set_release(ini: str, distribution: str, release: str, active: bool) -> None:
    """Say whether mirrors are still asked for RELEASE."""
    with opened_site(ini):
        getUtility(ITree).run(
            lambda: setattr(distribution_named(distribution).getRelease(release), "active", active)
        )
    click.echo(f"{release} is {'' if active else 'not '}probed")
