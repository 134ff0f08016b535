"""``librarian person``: add, list, show and change persons, on the machine itself.

The command opens the database: with the embedded engine, while the server is stopped.  A running server
does the same by its pages, and by JSON under ``/people``.
"""

import click
from zope.component import getUtility

from librarian.commands.common.effects import refuse_idle
from librarian.commands.common.site import ini_option, opened_site
from librarian.commands.people.directory import change, person_named
from librarian.commands.people.output import json_option, print_fields, print_rows
from librarian.commands.people.passwords import PasswordSource, password_options
from librarian.commands.people.tokens import add_token, revoke_token, tokens
from librarian.people.credentials.interfaces import ICredentialSet
from librarian.people.interfaces import IPersonSet, ITeamSet


@click.group()
def person() -> None:
    """People: add, list, change, and their API tokens.

    A password comes from --password-file, LIBRARIAN_PASSWORD or --generate, or is asked for.
    """


@person.command("add")
@click.argument("name")
@click.option("--display-name", help="The name that pages show; NAME by default.")
@click.option("--email", help="Where mail goes.")
@click.option("--team", "teams", multiple=True, help="A team to join; may be repeated.")
@click.option("--no-password", is_flag=True, help="For robots, which log in with API tokens only.")
@password_options
@ini_option
def add_person(
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

    change(ini, work)
    if source.generated is not None and not no_password:
        click.echo(source.generated)


@person.command("list")
@json_option
@ini_option
def list_persons(as_json: bool, ini: str) -> None:
    """List all persons."""
    with opened_site(ini):
        rows = [{"name": one.name, "display_name": one.display_name} for one in getUtility(IPersonSet)]
    print_rows(rows, as_json)


@person.command("show")
@click.argument("name")
@json_option
@ini_option
def show_person(name: str, as_json: bool, ini: str) -> None:
    """Show the person NAME."""
    with opened_site(ini):
        found = person_named(name)
        credentials = getUtility(ICredentialSet).of(found)
        described = {
            "name": found.name,
            "display_name": found.display_name,
            "email": found.email,
            "active": found.active,
            "has_password": credentials.has_password,
            "teams": [team.name for team in found.teams()],
        }
    print_fields(described, as_json)


@person.command("set-password")
@click.argument("name")
@password_options
@ini_option
def set_password(name: str, password_file: str | None, generate: bool, ini: str) -> None:
    """Give NAME another password; browsers that are logged in are logged out."""
    source = PasswordSource(password_file, generate)
    password = source.read()
    change(ini, lambda: getUtility(ICredentialSet).of(person_named(name)).setPassword(password))
    if source.generated is not None:
        click.echo(source.generated)


@person.command("disable")
@click.argument("name")
@ini_option
def disable_person(name: str, ini: str) -> None:
    """End all log-ins of NAME: by password, session and token."""
    change(ini, lambda: person_named(name).disable())


@person.command("enable")
@click.argument("name")
@ini_option
def enable_person(name: str, ini: str) -> None:
    """Allow log-ins of NAME again."""
    change(ini, lambda: person_named(name).enable())


person.add_command(add_token)
person.add_command(tokens)
person.add_command(revoke_token)
