"""``librarian tokens``: links to restricted files."""

import json
from collections.abc import Iterable
from typing import Any

import click
import transaction
from zope.component import getUtility

from librarian.commands.common.site import ini_option, opened_site
from librarian.library.interfaces import ILibraryFileAliasSet
from librarian.library.tokens.interfaces import ITimeLimitedTokenSet
from librarian.library.tokens.service import describe_token
from librarian.quantities import parse_duration


@click.group()
def tokens() -> None:
    """Make, list and revoke links to restricted files."""


@tokens.command()
@click.argument("alias_id", type=click.IntRange(1))
@click.option("--lifetime", help="How long it lives: 90s, 15m, 24h, 7d.  Without it, as the settings say.")
@click.option("--uses", type=click.IntRange(1), help="How many downloads it is good for.")
@ini_option
def create(alias_id: int, lifetime: str | None, uses: int | None, ini: str) -> None:
    """Print a link to the restricted file with id ALIAS_ID.  It is shown this once."""
    try:
        duration = None if lifetime is None else parse_duration(lifetime)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--lifetime") from error
    with opened_site(ini):
        alias = getUtility(ILibraryFileAliasSet)[alias_id]
        if not alias.restricted or alias.deleted:
            raise click.ClickException(f"alias {alias_id} is no restricted file that could be downloaded")
        url = alias.private_url
        click.echo(f"{url}?token={getUtility(ITimeLimitedTokenSet).allocate(url, duration, uses)}")


@tokens.command("list")
@click.option("--alias", "alias_id", type=click.IntRange(1), help="Those of one file.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line.")
@ini_option
def list_tokens(alias_id: int | None, as_json: bool, ini: str) -> None:
    """Print what is known of every token; the tokens themselves are not stored."""
    with opened_site(ini):
        known = getUtility(ITimeLimitedTokenSet)
        found: Iterable[Any] = known if alias_id is None else known.of_alias(alias_id)
        for token in found:
            facts = describe_token(token)
            click.echo(json.dumps(facts) if as_json else "\t".join(_plain(value) for value in facts.values()))


def _plain(value: Any) -> str:
    return "-" if value is None else str(value)


@tokens.command()
@click.argument("token_ids", nargs=-1)
@click.option("--alias", "alias_id", type=click.IntRange(1), help="All of one file.")
@click.option("--all", "everything", is_flag=True, help="All there are.")
@ini_option
def revoke(token_ids: tuple[str, ...], alias_id: int | None, everything: bool, ini: str) -> None:
    """Make tokens worthless at once: those with the ids that the list shows, or many."""
    if (len(token_ids) > 0) + (alias_id is not None) + everything != 1:
        raise click.UsageError("name token ids, or --alias, or --all")
    with opened_site(ini):
        known = getUtility(ITimeLimitedTokenSet)
        for token_id in token_ids:
            known.revoke(token_id)
        number = len(token_ids) or known.revoke_all(alias_id)
        transaction.commit()
    click.echo(f"revoked {number}")


@tokens.command()
@ini_option
def purge(ini: str) -> None:
    """Forget tokens that died of age; gc does it too."""
    number = 0
    with opened_site(ini):
        known = getUtility(ITimeLimitedTokenSet)
        while purged := known.purge():
            transaction.commit()
            number += purged
    click.echo(f"purged {number}")
