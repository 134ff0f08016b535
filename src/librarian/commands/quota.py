"""``librarian quota``: how much persons and teams may have, and have."""

import json
import sys

import click
import transaction
from rich.console import Console
from zope.component import getUtility

from librarian.commands.common.site import ini_option, opened_site
from librarian.commands.people.directory import participant_named
from librarian.commands.people.output import json_option
from librarian.library.quotas.interfaces import IQuotaSet, Quota
from librarian.library.quotas.service import NAMES, parse_limit


@click.group()
def quota() -> None:
    """How much persons and teams may have, and how much they have.

    The settings librarian.quota.* limit those for whom nothing is set here.
    """


@quota.command("show")
@click.argument("name")
@json_option
@ini_option
def show_quota(name: str, as_json: bool, ini: str) -> None:
    """Show limits and use of the person or team NAME."""
    with opened_site(ini):
        found = getUtility(IQuotaSet).of(participant_named(name)).quota()
    _print(found, as_json)


@quota.command("set")
@click.argument("name")
@click.option("--bytes", "most_bytes", metavar="SIZE", help="Such as 500MB or 10G; none: no limit.")
@click.option("--files", "most_files", metavar="NUMBER", help="Number of files; none: no limit.")
@json_option
@ini_option
def set_quota(name: str, most_bytes: str | None, most_files: str | None, as_json: bool, ini: str) -> None:
    """Limit the person or team NAME, in all; what is left out is as the settings have it.

    Without options the settings hold again for both.  What NAME has is counted, if it was not before.
    """
    stated = {"bytes": most_bytes, "files": most_files}
    values = {key: parse_limit(key, text) for key, text in stated.items() if text is not None}
    with opened_site(ini):
        found = getUtility(IQuotaSet).of(participant_named(name)).setLimits(values)
    _print(found, as_json)


@quota.command("list")
@json_option
@ini_option
def list_quotas(as_json: bool, ini: str) -> None:
    """List those that are limited here or whose use is counted: a line for each, with limits and use."""
    with opened_site(ini):
        for found in getUtility(IQuotaSet).limited():
            _print(found, as_json)


@quota.command("count")
@ini_option
def count_files(ini: str) -> None:
    """Count the files of all who are limited again, beside a running server.

    Prints how many records were not right.
    """
    with opened_site(ini), Console(stderr=True).status("counting") as status:
        if not sys.stderr.isatty():
            status.stop()
        number = getUtility(IQuotaSet).count(lambda seen: status.update(f"counting: {seen} files"))
        transaction.abort()
    click.echo(number)


def _print(found: Quota, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(found.as_json()))
        return
    told = [f"{_used(found, name)} of {_most(getattr(found.limit, name))} {name}" for name in NAMES]
    click.echo("\t".join((found.kind, found.name, *told)))


def _used(found: Quota, name: str) -> str:
    return "not counted" if found.used is None else str(getattr(found.used, name))


def _most(limit: int | None) -> str:
    return "any number of" if limit is None else str(limit)
