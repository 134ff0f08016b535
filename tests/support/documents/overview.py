"""An administrator's browser and an audit log, for the document on the operator's page."""

from typing import Any

import transaction

from librarian.library.upkeep.outcomes import recorded
from tests.support.documents.people import bearer, person
from tests.support.servers.in_process import browser


def administrator(name: str) -> Any:
    """A WebTest browser in which a new administrator is logged in."""
    app = browser()
    app.extra_environ["HTTP_AUTHORIZATION"] = bearer(person(name, "admins"), "all")
    return app


def ran(task: str, result: str, is_well: bool = True) -> None:
    """As a command of this name records its end."""
    with recorded(task) as ending:
        ending.say(result, is_well)
    transaction.begin()


def figures(page: Any, *wanted: str) -> None:
    """Print figures of the page by the words that stand before them."""
    for term in page.html.select("dl.figures dt"):
        if not wanted or term.text in wanted:
            print(f"{term.text}: {term.find_next('dd').get_text(' ', strip=True)}")


def tasks(page: Any) -> None:
    """Print the table of upkeep."""
    for row in page.html.select("table tbody tr"):
        print(" | ".join(cell.get_text(" ", strip=True) for cell in row.find_all("td")).rstrip(" |"))
