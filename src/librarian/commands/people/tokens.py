"""``librarian person add-token``, ``tokens`` and ``revoke-token``."""

from datetime import timedelta

import click
from zope.component import getUtility

from librarian.commands.common.site import ini_option, opened_site
from librarian.commands.people.directory import change, person_named
from librarian.commands.people.output import json_option, print_rows
from librarian.people.credentials.interfaces import ICredentialSet


@click.command("add-token")
@click.argument("name")
@click.option("--title", required=True, help="What it is for.")
@click.option("--scope", "scopes", multiple=True, required=True, help="A scope of it; may be repeated.")
@click.option("--days", type=float, help="Lifetime in days; by default the setting token_lifetime.")
@ini_option
def add_token(name: str, title: str, scopes: tuple[str, ...], days: float | None, ini: str) -> None:
    """Make an API token for NAME and print its secret, which cannot be shown again."""
    lifetime = None if days is None else timedelta(days=days)

    def work() -> str:
        new = getUtility(ICredentialSet).of(person_named(name)).newToken(title, list(scopes), lifetime)
        return str(new.secret)

    click.echo(change(ini, work))


@click.command("tokens")
@click.argument("name")
@json_option
@ini_option
def tokens(name: str, as_json: bool, ini: str) -> None:
    """List the API tokens of NAME, without their secrets."""
    with opened_site(ini):
        rows = [
            {
                "id": token.id,
                "title": token.title,
                "scopes": " ".join(token.scopes),
                "expires": f"{token.expires:%Y-%m-%d}",
                "state": "usable" if token.revoked is None else "revoked",
            }
            for token in getUtility(ICredentialSet).of(person_named(name)).tokens()
        ]
    print_rows(rows, as_json)


@click.command("revoke-token")
@click.argument("name")
@click.argument("token_id")
@ini_option
def revoke_token(name: str, token_id: str, ini: str) -> None:
    """Revoke the token TOKEN_ID of NAME, at once and for good."""
    change(ini, lambda: getUtility(ICredentialSet).of(person_named(name)).revokeToken(token_id))
