"""``librarian mirrors add``, ``review``, ``enable``, ``disable`` and ``list``: the mirrors themselves."""

import json

import click
from zope.component import getUtility

from librarian.commands.common.site import ini_option, opened_site
from librarian.commands.mirrors.lookup import (
    CONTENTS,
    content_option,
    distribution_named,
    json_option,
    mirror_named,
    owner_named,
)
from librarian.countries.interfaces import ICountrySet
from librarian.mirrors.enums import MirrorPulseType, MirrorReviewStatus, MirrorSpeed
from librarian.mirrors.views.serializers import describe
from librarian.tree.interfaces import ITree


@click.command()
@ini_option
@click.argument("distribution")
@click.argument("name")
@click.argument("url")
@click.option("--owner", required=True, help="Name of a person or a team.")
@click.option("--country", required=True, help="Two letters.")
@click.option(
    "--speed", type=click.Choice([each.name for each in MirrorSpeed]), default="S1G", show_default=True
)
@content_option
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
        person, scheme = owner_named(owner), url.partition(":")[0]
        mirror = distribution_named(distribution).newMirror(
            person,
            name,
            MirrorSpeed[speed],
            getUtility(ICountrySet)[country],
            CONTENTS[content_type],
            MirrorPulseType.PULL,
            **{f"{'http' if scheme not in ('https', 'ftp') else scheme}_base_url": url},
        )
        if official:
            mirror.review(MirrorReviewStatus.OFFICIAL, person)
        return int(mirror.id)

    with opened_site(ini):
        click.echo(getUtility(ITree).run(work))


@click.command()
@ini_option
@click.argument("distribution")
@click.argument("name")
@click.argument("verdict", type=click.Choice([each.name.lower() for each in MirrorReviewStatus]))
@click.option("--reviewer", required=True, help="Name of the person who judges.")
def review(ini: str, distribution: str, name: str, verdict: str, reviewer: str) -> None:
    """Judge the mirror NAME."""
    status = MirrorReviewStatus[verdict.upper()]
    with opened_site(ini):
        getUtility(ITree).run(lambda: mirror_named(distribution, name).review(status, owner_named(reviewer)))
    click.echo(f"{name} is {status.title.lower()}")


@click.command()
@ini_option
@click.argument("distribution")
@click.argument("name")
def enable(ini: str, distribution: str, name: str) -> None:
    """Switch the mirror NAME on."""
    _switch(ini, distribution, name, True)


@click.command()
@ini_option
@click.argument("distribution")
@click.argument("name")
def disable(ini: str, distribution: str, name: str) -> None:
    """Switch the mirror NAME off, until it is switched on by a person."""
    _switch(ini, distribution, name, False)


def _switch(ini: str, distribution: str, name: str, enabled: bool) -> None:
    def work() -> None:
        mirror_named(distribution, name).enabled = enabled

    with opened_site(ini):
        getUtility(ITree).run(work)
    click.echo(f"{name} is {'on' if enabled else 'off'}")


@click.command("list")
@ini_option
@click.argument("distribution")
@json_option
def list_mirrors(ini: str, distribution: str, as_json: bool) -> None:
    """List all mirrors of a distribution with what is known of each."""
    with opened_site(ini):
        found = [describe(mirror) for mirror in distribution_named(distribution).mirrors]
    if as_json:
        click.echo(json.dumps(found))
        return
    for each in found:
        state = "on" if each["enabled"] else f"off ({each['disabled_by']})"
        click.echo(
            f"{each['name']:<24} {each['country']}  {state:<13} {each['review_status']:<15} "
            f"{each['freshness']:<15} {each['base_urls'][0]}"
        )
