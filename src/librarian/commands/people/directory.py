"""Persons and teams on the opened site, for the commands."""

from collections.abc import Callable
from typing import Any, TypeVar

from zope.component import getUtility

from librarian.commands.common.site import opened_site
from librarian.people.interfaces import IPersonSet, ITeamSet, NoSuchPerson
from librarian.tree.interfaces import ITree

T = TypeVar("T")


def change(ini: str, work: Callable[[], T]) -> T:
    """Run `work` in a transaction on the site of the ini file, commit it, and return its result."""
    with opened_site(ini):
        return getUtility(ITree).run(work)


def person_named(name: str) -> Any:
    """The person called `name`.  Raises NoSuchPerson."""
    return getUtility(IPersonSet)[name]


def participant_named(name: str) -> Any:
    """The person or team called `name`.  Raises NoSuchPerson."""
    found = getUtility(IPersonSet).getByName(name) or getUtility(ITeamSet).getByName(name)
    if found is None:
        raise NoSuchPerson(name)
    return found
