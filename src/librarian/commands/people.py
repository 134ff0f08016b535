"""``librarian person`` and ``librarian team``: who is here, from the machine itself.

They open the database: with the embedded engine, while the server is stopped.  A running server
does the same by its pages, and by JSON under ``/people``.
"""

import json
import os
import sys
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import click
from zope.component import getUtility

from librarian.commands.common.effects import refuse_idle
from librarian.commands.common.site import ini_option, opened_site
from librarian.people.credentials.interfaces import ICredentialSet
from librarian.people.credentials.passwords import generate_password
from librarian.people.interfaces import IPersonSet, ITeamSet, NoSuchPerson
from librarian.tree.interfaces import ITree

T = TypeVar("T")

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def _change(ini: str, work: Callable[[], T]) -> T:
    """Do `work` on the opened site, and commit it."""
    with opened_site(ini):
        return getUtility(ITree).run(work)


def _person(name: str) -> Any:
    return getUtility(IPersonSet)[name]


def _participant(name: str) -> Any:
    found = getUtility(IPersonSet).getByName(name) or getUtility(ITeamSet).getByName(name)
    if found is None:
        raise NoSuchPerson(name)
    return found


def _print(described: Mapping[str, Any], as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(described))
        return
    for key, value in described.items():
        shown = ", ".join(value) if isinstance(value, list) else value
        click.echo(f"{key.replace('_', ' '):<14} {'' if shown is None else shown}".rstrip())


def _print_all(rows: list[dict[str, Any]], as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(rows))
        return
    for row in rows:
        click.echo("  ".join(f"{value!s:<20}" for value in row.values()).rstrip())


class PasswordSource:
    """Where a password comes from: a file, the environment, this program, or whoever types it.

    Never an argument: those are seen by everybody on the machine, and kept by shells.
    """

    def __init__(self, file: str | None, generate: bool) -> None:
        if generate:
            refuse_idle("with --generate", "password_file")
        self.generated = generate_password() if generate else None
        self._file = file

    def read(self) -> str:
        if self.generated is not None:
            return self.generated
        if self._file == "-":
            return sys.stdin.readline().rstrip("\r\n")
        if self._file is not None:
            return Path(self._file).read_text().split("\n", 1)[0].rstrip("\r")
        if "LIBRARIAN_PASSWORD" in os.environ:
            return os.environ["LIBRARIAN_PASSWORD"]
        password: str = click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
        return password


def password_options(command: Callable[..., Any]) -> Callable[..., Any]:
    file = click.option(
        "--password-file",
        type=click.Path(exists=True, dir_okay=False, allow_dash=True),
        help="Read the password from the first line of this file; - is standard input.",
    )
    generate = click.option("--generate", is_flag=True, help="Make a password and print it once.")
    return file(generate(command))


@click.group()
def person() -> None:
    """People: add, list, change, and their API tokens.

    A password comes from --password-file, from LIBRARIAN_PASSWORD, from --generate, or is asked for.
    """


@person.command("add")
@click.argument("name")
@click.option("--display-name", help="The name as people say it; NAME if it is left out.")
@click.option("--email", help="Where mail goes.")
@click.option("--team", "teams", multiple=True, help="A team to join; may be repeated.")
@click.option("--no-password", is_flag=True, help="For robots: only API tokens let them in.")
@password_options
@ini_option
def person_add(
    name: str,
    display_name: str | None,
    email: str | None,
    teams: tuple[str, ...],
    no_password: bool,
    password_file: str | None,
    generate: bool,
    ini: str,
) -> None:
    """Add the person NAME."""
    if no_password:
        refuse_idle("with --no-password", "password_file", "generate")
    source = PasswordSource(password_file, generate)
    password = None if no_password else source.read()

    def work() -> None:
        added = getUtility(IPersonSet).new(name, display_name or name, email)
        if password is not None:
            getUtility(ICredentialSet).of(added).setPassword(password)
        for team_name in teams:
            getUtility(ITeamSet)[team_name].addMember(added)

    _change(ini, work)
    if source.generated is not None and not no_password:
        click.echo(source.generated)


@person.command("list")
@json_option
@ini_option
def person_list(as_json: bool, ini: str) -> None:
    """List everybody."""
    with opened_site(ini):
        rows = [{"name": one.name, "display_name": one.display_name} for one in getUtility(IPersonSet)]
    _print_all(rows, as_json)


@person.command("show")
@click.argument("name")
@json_option
@ini_option
def person_show(name: str, as_json: bool, ini: str) -> None:
    """Show the person NAME."""
    with opened_site(ini):
        found = _person(name)
        credentials = getUtility(ICredentialSet).of(found)
        described = {
            "name": found.name,
            "display_name": found.display_name,
            "email": found.email,
            "active": found.active,
            "has_password": credentials.has_password,
            "teams": [team.name for team in found.teams()],
        }
    _print(described, as_json)


@person.command("set-password")
@click.argument("name")
@password_options
@ini_option
def person_set_password(name: str, password_file: str | None, generate: bool, ini: str) -> None:
    """Give NAME another password; browsers that are logged in are logged out."""
    source = PasswordSource(password_file, generate)
    password = source.read()
    _change(ini, lambda: getUtility(ICredentialSet).of(_person(name)).setPassword(password))
    if source.generated is not None:
        click.echo(source.generated)


@person.command("disable")
@click.argument("name")
@ini_option
def person_disable(name: str, ini: str) -> None:
    """Let NAME in no more, by password, session or token."""
    _change(ini, lambda: _person(name).disable())


@person.command("enable")
@click.argument("name")
@ini_option
def person_enable(name: str, ini: str) -> None:
    """Let NAME in again."""
    _change(ini, lambda: _person(name).enable())


@person.command("add-token")
@click.argument("name")
@click.option("--title", required=True, help="What it is for.")
@click.option("--scope", "scopes", multiple=True, required=True, help="How far it reaches; may be repeated.")
@click.option("--days", type=float, help="For how long; the settings say, if it is left out.")
@ini_option
def person_add_token(name: str, title: str, scopes: tuple[str, ...], days: float | None, ini: str) -> None:
    """Make an API token for NAME, and print its secret: now, and never again."""
    lifetime = None if days is None else timedelta(days=days)

    def work() -> str:
        new = getUtility(ICredentialSet).of(_person(name)).newToken(title, list(scopes), lifetime)
        return str(new.secret)

    click.echo(_change(ini, work))


@person.command("tokens")
@click.argument("name")
@json_option
@ini_option
def person_tokens(name: str, as_json: bool, ini: str) -> None:
    """List the API tokens of NAME; the secrets are not known any more."""
    with opened_site(ini):
        rows = [
            {
                "id": token.id,
                "title": token.title,
                "scopes": " ".join(token.scopes),
                "expires": f"{token.expires:%Y-%m-%d}",
                "state": "usable" if token.revoked is None else "revoked",
            }
            for token in getUtility(ICredentialSet).of(_person(name)).tokens()
        ]
    _print_all(rows, as_json)


@person.command("revoke-token")
@click.argument("name")
@click.argument("token_id")
@ini_option
def person_revoke_token(name: str, token_id: str, ini: str) -> None:
    """Make the token TOKEN_ID of NAME worth nothing."""
    _change(ini, lambda: getUtility(ICredentialSet).of(_person(name)).revokeToken(token_id))


@click.group()
def team() -> None:
    """Teams: add, list, join and leave."""


@team.command("add")
@click.argument("name")
@click.option("--display-name", help="The name as people say it; NAME if it is left out.")
@click.option("--owner", help="The person or team that looks after the members.")
@ini_option
def team_add(name: str, display_name: str | None, owner: str | None, ini: str) -> None:
    """Add the team NAME, which has no members yet."""

    def work() -> None:
        getUtility(ITeamSet).new(name, display_name or name, None if owner is None else _participant(owner))

    _change(ini, work)


@team.command("list")
@json_option
@ini_option
def team_list(as_json: bool, ini: str) -> None:
    """List all teams."""
    with opened_site(ini):
        rows = [{"name": one.name, "display_name": one.display_name} for one in getUtility(ITeamSet)]
    _print_all(rows, as_json)


@team.command("show")
@click.argument("name")
@json_option
@ini_option
def team_show(name: str, as_json: bool, ini: str) -> None:
    """Show the team NAME: its members, and the people in it through other teams."""
    with opened_site(ini):
        found = getUtility(ITeamSet)[name]
        owner = found.owner
        described = {
            "name": found.name,
            "display_name": found.display_name,
            "owner": None if owner is None else owner.name,
            "members": [member.name for member in found.members()],
            "people": [member.name for member in found.people()],
        }
    _print(described, as_json)


@team.command("join")
@click.argument("name")
@click.argument("member")
@ini_option
def team_join(name: str, member: str, ini: str) -> None:
    """Let MEMBER, a person or a team, join the team NAME."""
    _change(ini, lambda: getUtility(ITeamSet)[name].addMember(_participant(member)))


@team.command("leave")
@click.argument("name")
@click.argument("member")
@ini_option
def team_leave(name: str, member: str, ini: str) -> None:
    """Take MEMBER out of the team NAME."""
    _change(ini, lambda: getUtility(ITeamSet)[name].removeMember(_participant(member)))
