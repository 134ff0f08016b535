"""People with files and a browser, for the document on lists."""

from io import BytesIO
from typing import Any

import transaction
from zope.component import getUtility

from librarian.interfaces import IClock
from librarian.library.catalogue.indexing import Indexer
from librarian.library.interfaces import ILibraryFileAliasSet
from librarian.people.credentials.interfaces import ICredentialSet
from librarian.people.credentials.person_principal import PersonPrincipal
from librarian.people.interfaces import IPersonSet
from librarian.security.interaction import acting_as
from tests.support.servers.in_process import browser, request

APP = "http://localhost:6543"


class PersonWithFiles:
    """A person who is logged in."""

    def __init__(self, name: str) -> None:
        person = getUtility(IPersonSet).new(name, name.title())
        self._principal = PersonPrincipal(person)
        token = getUtility(ICredentialSet).of(person).newToken("lists", ["all"])
        transaction.commit()
        Indexer().run()
        self._field = {"Authorization": f"Bearer {token.secret}"}
        self._files: dict[str, int] = {}

    def adds(self, name: str, kind: str = "text/plain", restricted: bool = False) -> None:
        """A file whose bytes are its name; a minute passes."""
        with acting_as(self._principal):
            aliases = getUtility(ILibraryFileAliasSet)
            data = BytesIO(name.encode())
            alias = aliases.create(name, len(name.encode()), data, kind, restricted=restricted)
            self._files[name] = alias.id
        transaction.commit()
        clock: Any = getUtility(IClock)
        clock.move(minutes=1)

    def deletes(self, name: str) -> None:
        """By the button on the file's page."""
        request("POST", f"{APP}/files/{self._files[name]}/+delete", self._field)
        Indexer().run()

    def opens(self, path: str) -> Any:
        """A page, in a browser of this person's, which clicks and submits as the person too."""
        app = browser()
        app.extra_environ["HTTP_AUTHORIZATION"] = self._field["Authorization"]
        page = app.get(path)
        transaction.begin()
        return page

    def asks(self, path: str) -> Any:
        """The same URL as JSON."""
        return request("GET", APP + path, self._field).json


def person_with_files(name: str) -> PersonWithFiles:
    """A new person."""
    return PersonWithFiles(name)


def names(page: Any) -> None:
    """Print the names in the list of a page, with what matched; without a list the first sentence."""
    rows = page.html.select("table.files tbody tr")
    searched = page.html.find("th", string="Matched") is not None
    for row in rows:
        cells = [cell.get_text(" ", strip=True) for cell in row.find_all("td")]
        print(row.find("a").text + (f" ({cells[1]})" if searched else ""))
    if not rows:
        said = [each.get_text(" ", strip=True) for each in page.html.select("main > p:not(.actions)")]
        print(" ".join(said[0].partition(". ")[0].rstrip(".").split()) + ".")
