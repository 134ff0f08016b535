"""``librarian team``: add, list and show teams, and change their membership, on the machine itself."""

import click
from zope.component import getUtility

from librarian.commands.common.site import ini_option, opened_site
from librarian.commands.people.directory import change, participant_named
from librarian.commands.people.output import json_option, print_fields, print_rows
from librarian.people.interfaces import ITeamSet


@click.group()
def team() -> None:
    """Teams: add, list, join and leave."""


@team.command("add")
@click.argument("name")
@click.option("--display-name", help="The name that pages show; NAME by default.")
@click.option("--owner", help="The person or team that may change the membership.")
@ini_option
def add_team(name: str, display_name: str | None, owner: str | None, ini: str) -> None:
    """Add the team NAME, which has no members yet."""

    def work() -> None:
        getUtility(ITeamSet).new(
            name, display_name or name, None if owner is None else participant_named(owner)
        )

    change(ini, work)


@team.command("list")
@json_option
@ini_option
def list_teams(as_json: bool, ini: str) -> None:
    """List all teams."""
    with opened_site(ini):
        rows = [{"name": one.name, "display_name": one.display_name} for one in getUtility(ITeamSet)]
    print_rows(rows, as_json)


@team.command("show")
@click.argument("name")
@json_option
@ini_option
def show_team(name: str, as_json: bool, ini: str) -> None:
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
    print_fields(described, as_json)


@team.command("join")
@click.argument("name")
@click.argument("member")
@ini_option
def join_team(name: str, member: str, ini: str) -> None:
    """Add MEMBER, a person or a team, to the team NAME."""
    change(ini, lambda: getUtility(ITeamSet)[name].addMember(participant_named(member)))


@team.command("leave")
@click.argument("name")
@click.argument("member")
@ini_option
def leave_team(name: str, member: str, ini: str) -> None:
    """Remove MEMBER from the team NAME."""
    change(ini, lambda: getUtility(ITeamSet)[name].removeMember(participant_named(member)))
