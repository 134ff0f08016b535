"""``librarian link``: links with which files are sent to the library without an account."""

import json
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import click
import transaction
from zope.component import getUtility
from zope.security.proxy import removeSecurityProxy

from librarian.commands.common.site import ini_option, opened_site
from librarian.commands.people.directory import person_named
from librarian.library.drops.interfaces import IUploadLinks
from librarian.library.drops.service import describe_link
from librarian.library.interfaces import ILibraryFileAliasSet
from librarian.people.credentials.person_principal import PersonPrincipal
from librarian.quantities import parse_duration, parse_size
from librarian.security.interaction import acting_as


@click.group()
def link() -> None:
    """Make, list and revoke links for sending files to the library."""


def _read_by(parse: Callable[[str], Any]) -> Any:
    def read(context: click.Context, parameter: click.Parameter, value: str | None) -> Any:
        try:
            return None if value is None else parse(value)
        except ValueError as error:
            raise click.BadParameter(str(error)) from error

    return read


@link.command()
@click.option("--wanted", default="", help="What is wanted, for the people behind the link.")
@click.option("--name", "filename", help="The name that the file gets.  Without it: its own.")
@click.option("--max-size", callback=_read_by(parse_size), help="The largest size of a file: 500MB, 2GB.")
@click.option("--type", "media_types", multiple=True, help="A media type, such as image/*; may be repeated.")
@click.option("--uses", type=click.IntRange(0), default=1, show_default=True, help="Files; 0: any number.")
@click.option("--lifetime", callback=_read_by(parse_duration), help="How long it lives: 24h, 7d.")
@click.option("--public", is_flag=True, help="Files are public, and not restricted.")
@click.option("--folder", help="The folder of the named tree that files go into.")
@click.option("--keep", callback=_read_by(parse_duration), help="Files expire so long after they came: 30d.")
@click.option("--owner", help="The person whose files they are; without it, the installation's own.")
@ini_option
def upload(uses: int, public: bool, owner: str | None, ini: str, **terms: Any) -> None:
    """Print a link that takes a file from a sender without an account.  It is shown this once."""
    with opened_site(ini), _acting_for(owner):
        aliases = getUtility(ILibraryFileAliasSet)
        click.echo(aliases.createUploadToken(max_uses=uses or None, restricted=not public, **terms))


def _acting_for(owner: str | None) -> AbstractContextManager[Any]:
    """As the person with this name, whose permissions count.  Raises NoSuchPerson, ClickException."""
    if owner is None:
        return nullcontext()
    person = removeSecurityProxy(person_named(owner))
    if not person.active:
        raise click.ClickException(f"{owner} is disabled, so links of theirs would take nothing")
    return acting_as(PersonPrincipal(person))


@link.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line.")
@ini_option
def list_links(as_json: bool, ini: str) -> None:
    """Print what is known of every link; their secrets are not stored."""
    with opened_site(ini):
        for found in getUtility(IUploadLinks):
            facts = describe_link(found)
            shown = (facts[name] for name in ("id", "uses", "max_uses", "expires", "owner", "wanted"))
            line = "\t".join("-" if value in (None, "") else str(value) for value in shown)
            click.echo(json.dumps(facts) if as_json else line)


@link.command()
@click.argument("link_ids", nargs=-1, required=True)
@ini_option
def revoke(link_ids: tuple[str, ...], ini: str) -> None:
    """Make links worthless at once, by the ids that the list shows."""
    with opened_site(ini):
        for link_id in link_ids:
            getUtility(IUploadLinks).revoke(link_id)
        transaction.commit()
    click.echo(f"revoked {len(link_ids)}")
