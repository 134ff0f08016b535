"""Options of the commands on mirrors, and objects found by the names on the command line."""

from typing import Any

import click
from zope.component import getUtility
from zope.security.proxy import removeSecurityProxy

from librarian.mirrors.enums import MirrorContent
from librarian.mirrors.interfaces import IDistributionSet, NoSuchMirror
from librarian.people.interfaces import IPersonSet, ITeamSet, NoSuchPerson

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, for scripts.")
CONTENTS = {"archive": MirrorContent.ARCHIVE, "cdimage": MirrorContent.RELEASE}
content_option = click.option(
    "--content-type", type=click.Choice(sorted(CONTENTS)), default="archive", show_default=True
)


def distribution_named(name: str) -> Any:
    """The distribution, unproxied: commands act for the operator.  Raises NoSuchDistribution."""
    return removeSecurityProxy(getUtility(IDistributionSet)[name])


def mirror_named(distribution: str, name: str) -> Any:
    """The mirror of a distribution.  Raises NoSuchDistribution, NoSuchMirror."""
    try:
        return distribution_named(distribution)[name]
    except KeyError as error:
        raise NoSuchMirror(name) from error


def owner_named(name: str) -> Any:
    """The person or the team of this name.  Raises NoSuchPerson."""
    found = getUtility(IPersonSet).getByName(name) or getUtility(ITeamSet).getByName(name)
    if found is None:
        raise NoSuchPerson(name)
    return removeSecurityProxy(found)
