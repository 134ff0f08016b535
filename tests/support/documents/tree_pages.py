"""A browser on the named tree, for the document on its pages."""

from typing import Any

import transaction
from zope.component import getUtility

from librarian.naming.interfaces import INamedTree
from tests.support.documents.people import bearer, person
from tests.support.servers.in_process import browser


def browser_of(name: str, folder: str) -> Any:
    """A WebTest browser in which a new person is logged in, who owns a new folder of the named tree."""
    app, owner = browser(), person(name)
    app.extra_environ["HTTP_AUTHORIZATION"] = bearer(owner, "all")
    getUtility(INamedTree).make_folder(folder, owner=owner.person)
    transaction.commit()
    return app


def names(page: Any) -> None:
    """Print the first column of the table of a page."""
    for row in page.html.select("table.files tbody tr"):
        print(row.td.get_text(" ", strip=True))


def form(page: Any, field: str) -> Any:
    """The form of a page that has this field."""
    return next(each for each in page.forms.values() if field in each.fields)
