"""``/files``: the lists of files, as a page and as JSON."""

from typing import Any
from urllib.parse import urlencode

from pyramid.httpexceptions import HTTPBadRequest
from pyramid.request import Request
from pyramid.response import Response
from zope.component import getUtility

from librarian.library.catalogue.interfaces import (
    MOST_LISTED,
    SORTS,
    BadListing,
    ICatalogue,
    Listing,
    Page,
    Question,
)
from librarian.library.filenames import ID
from librarian.library.http.description import LINE, describe
from librarian.library.views.owners import owner_id, owner_name
from librarian.library.views.upload_form import upload_values
from librarian.security.interaction import current_principal
from librarian.security.policy import is_admin
from librarian.web.errors import wants_page
from librarian.web.forms import SeeOther, page
from librarian.web.openapi.declaring import describes, does, page_of, redirects
from librarian.web.openapi.schemas import FLAG, TEXT, URL, array, nullable, obj, one_of, told
from librarian.web.requests.mounting import local_path

TEMPLATE = "librarian.library:templates/files.jinja2"
SIZES = (20, 50, 100, 500)  # files on a page, as the form offers them
KINDS = ("image", "audio", "video", "text", "application", "font")

#: What the links above the list say, and what they ask for.
TABS = (
    ("My files", {"list": "mine"}),
    ("Recently added", {"list": "all"}),
    ("All, by name", {"list": "all", "sort": "name"}),
    ("Expiring soon", {"list": "expiring"}),
    ("Held", {"list": "held"}),
    ("Deleted", {"list": "deleted"}),
)
SORTABLE = (Listing.MINE, Listing.ALL)
#: What stands above each column, and what the list is sorted by there.
COLUMNS = (
    ("Name", "name"),
    ("Size", "size"),
    ("Type", ""),
    ("Added", "added"),
    ("Expires", ""),
    ("Downloads", ""),
)


def describe_line(alias: Any) -> dict[str, Any]:
    """A file in a list as JSON has it: describe(), who added it, and how often it was downloaded."""
    return {
        **describe(alias),
        "owner": alias.owner,
        "owner_name": owner_name(alias.owner),
        "downloads": alias.hits,
    }


_PAGE = obj(files=array(LINE), next=nullable(URL), previous=nullable(URL), complete=FLAG)
#: Empty, as a form sends it, says nothing.
PAGE_SIZE = {
    "anyOf": [
        {"type": "integer", "minimum": 1, "maximum": MOST_LISTED},
        {"type": "string", "maxLength": 0},
    ],
    "default": 50,
}


@describes(
    "/files",
    GET=does(
        "A page of a list of files; with id, to that file",
        page_of(_PAGE),
        redirects(303, "To the file"),
        query={
            "list": {**one_of(each.value for each in Listing), "default": Listing.MINE.value},
            "sort": told(TEXT, "added, name or size, with - before it turned round"),
            "space": told(TEXT, "public or restricted"),
            "owner": TEXT,
            "type": TEXT,
            "size": PAGE_SIZE,
            "after": told(TEXT, "as the next page's URL has it"),
            "before": told(TEXT, "as the previous page's URL has it"),
            "id": told(TEXT, "the number of a file"),
        },
    ),
)
def files_page(context: Any, request: Request) -> Response:
    """A page of a list; ``?id=`` leads to the file with that id."""
    wanted = request.GET.get("id", "")
    if ID.fullmatch(wanted):
        return SeeOther(local_path(f"/files/{wanted}/+about"))
    catalogue = getUtility(ICatalogue)
    if wants_page(request) and not request.has_permission("librarian.View", catalogue):
        return page(request, TEMPLATE, {"_title": "Files", "_stranger": True})
    asked = {name: request.GET[name] for name in request.GET if request.GET[name]}
    question = question_of(asked)
    values = listed(asked, catalogue.page(question))
    uploads = {"_uploads": upload_values(request)} if wants_page(request) else {}
    return page(request, TEMPLATE, {**_for_people(asked, question), **uploads, **values})


def question_of(asked: dict[str, str]) -> Question:
    """The question that the parameters of a URL ask.  Raises BadListing, HTTPBadRequest."""
    try:
        listing = Listing(asked.get("list", Listing.MINE.value))
    except ValueError:
        raise BadListing("list", f"one of {', '.join(each.value for each in Listing)}") from None
    owner = asked.get("owner")
    return Question(
        listing,
        asked.get("sort", ""),
        asked.get("space", ""),
        None if owner is None else owner_id(owner),
        asked.get("type", ""),
        page_size(asked),
        asked.get("after", ""),
        asked.get("before", ""),
    )


def page_size(asked: dict[str, str]) -> int:
    """The parameter `size`: how many lines a page has.  Raises HTTPBadRequest."""
    size = asked.get("size", "50")
    if not (size.isascii() and size.isdigit() and len(size) < 4 and 1 <= int(size) <= SIZES[-1]):
        raise HTTPBadRequest(f"size is how many a page lists, from 1 to {SIZES[-1]}.")
    return int(size)


def listed(asked: dict[str, str], found: Page) -> dict[str, Any]:
    """A page of a list as JSON has it; `next` and `previous` are URLs, or null."""
    return {
        "files": [describe_line(alias) for alias in found.files],
        "next": (found.following and url_with(asked, after=found.following, before="")) or None,
        "previous": (found.previous and url_with(asked, before=found.previous, after="")) or None,
        "complete": getUtility(ICatalogue).state().complete,
    }


def url_with(asked: dict[str, str], path: str = "/files", **changed: str) -> str:
    """The URL of a list like the one that was asked for, with other parameters."""
    fields = {name: value for name, value in {**asked, **changed}.items() if value}
    return local_path(path) + (f"?{urlencode(fields)}" if fields else "")


def _for_people(asked: dict[str, str], question: Question) -> dict[str, Any]:
    """The values that only the template needs."""
    here = {"list": question.listing.value, **({"sort": "name"} if question.sort == "name" else {})}
    return {
        "_title": _title(question),
        "_stranger": False,
        "_tabs": [(text, url_with(fields), fields == here) for text, fields in TABS],
        "_columns": [
            (text, _sort_link(asked, question, sort), _sorted(question, sort)) for text, sort in COLUMNS
        ],
        "_asked": asked,
        "_listing": question.listing.value,
        "_sizes": SIZES,
        "_kinds": KINDS,
        "_admin": is_admin(current_principal()),
        "_first": url_with(asked, after="", before="") if question.after or question.before else None,
    }


def _title(question: Question) -> str:
    titles = {fields["list"]: text for text, fields in reversed(TABS)}
    return "All files" if question.listing is Listing.ALL else titles[question.listing.value]


def _sort_link(asked: dict[str, str], question: Question, sort: str) -> str | None:
    """The URL of the list in the order of a column; of the column that sorts it now, turned round."""
    if sort not in SORTS or question.listing not in SORTABLE:
        return None
    turned = _sorted(question, sort) == "ascending"
    return url_with(asked, sort=f"-{sort}" if turned else sort, after="", before="")


def _sorted(question: Question, sort: str) -> str | None:
    """What aria-sort says of a column; lists begin with what was added last."""
    order = question.sort or "-added"
    if not sort or question.listing not in SORTABLE or order.removeprefix("-") != sort:
        return None
    return "descending" if order.startswith("-") else "ascending"
