"""The boards of mirrors and machines as documents show them."""

from io import BytesIO
from typing import Any

import transaction
from zope.security.proxy import removeSecurityProxy

from tests.support.documents.people import person
from tests.support.servers.in_process import browser

PASSWORD = "seven green bottles"


def add_probe(mirror: Any, verdict: str) -> None:
    """A probe of now, with a verdict."""
    record = removeSecurityProxy(mirror).newProbeRecord(BytesIO(b"the log of a probe"))
    removeSecurityProxy(record).verdict = verdict


def cells(page: Any, *columns: str, table: str = "board") -> list[tuple[str, ...]]:
    """The first line of some columns' cells, row by row."""
    heads, *rows = page.html.find(id=table).select("tr:not(.job)")
    names = [head.get_text(strip=True) for head in heads.find_all("th")]
    places = [names.index(column) for column in columns]
    return [tuple(_words(row.find_all("td")[place]) for place in places) for row in rows]


def _words(cell: Any) -> str:
    quiet = cell.find(class_="quiet")
    if quiet is not None:
        quiet.extract()
    return " ".join(cell.get_text().split())


def strip(page: Any) -> tuple[str, list[str]]:
    """The words of the first strip, and those of its marks."""
    found = page.html.find(class_="strip")
    return found["aria-label"], [mark["title"] for mark in found.find_all("span")]


def logged_in(name: str, *teams: str) -> Any:
    """The browser of a new person in `teams`, after logging in."""
    person(name, *teams, password=PASSWORD)
    transaction.commit()
    visitor = browser()
    form = visitor.get("/+login").form
    form["name"], form["password"] = name, PASSWORD
    form.submit()
    return visitor
