"""Names for people to read in place of ids."""

from zope.component import getUtility

from librarian.people.interfaces import IPersonSet

PERSON = "person:"  # what the ids of persons' principals begin with


def owner_name(owner: str | None) -> str:
    """The display name of an owner, or the id of one who is no person of this site; empty for none."""
    if owner is None:
        return ""
    found = getUtility(IPersonSet).getByName(owner.removeprefix(PERSON)) if owner.startswith(PERSON) else None
    return owner if found is None else str(found.display_name)


def owner_id(stated: str) -> str:
    """The id of an owner that is stated as a person's name, or as an id."""
    return stated if ":" in stated else PERSON + stated
