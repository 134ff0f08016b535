"""``/+search``: one field for ids, digests, paths and words of names; as a page and as JSON."""

from typing import Any

from pyramid.request import Request
from pyramid.response import Response
from zope.component import getUtility

from librarian.library.catalogue.interfaces import ICatalogue
from librarian.library.http.description import LINE
from librarian.library.views.listing import PAGE_SIZE, describe_line, page_size, url_with
from librarian.library.views.upload_form import upload_values
from librarian.web.forms import page
from librarian.web.openapi.declaring import describes, does, page_of
from librarian.web.openapi.schemas import TEXT, URL, array, extended, nullable, obj, told

TEMPLATE = "librarian.library:templates/search.jinja2"
LONGEST = 300  # characters that are looked for


_FOUND = extended(LINE, matched=TEXT)


@describes(
    "/+search",
    GET=does(
        "Files by id, digest, path or words of the name",
        page_of(obj(files=array(_FOUND), next=nullable(URL))),
        query={"q": TEXT, "size": PAGE_SIZE, "after": told(TEXT, "as the next page's URL has it")},
    ),
)
def search(context: Any, request: Request) -> Response:
    """Files by the parameter `q`; `matched` says what of the file it is.

    Who may see no lists asks by an id or a whole digest.
    """
    asked = {name: request.GET[name] for name in request.GET if request.GET[name]}
    words, catalogue = asked.get("q", "")[:LONGEST], getUtility(ICatalogue)
    may_list = request.has_permission("librarian.View", catalogue)
    if may_list:
        found = catalogue.find(words, page_size(asked), asked.get("after", ""))
    else:
        found = catalogue.find_exactly(words)
    values = {
        "_title": f"Search: {words}" if words else "Search",
        "_q": words,
        "_stranger": not may_list,
        "_uploads": upload_values(request),
        "files": [{**describe_line(match.alias), "matched": match.by} for match in found.matches],
        "next": url_with(asked, "/+search", after=found.following) if found.following else None,
    }
    return page(request, TEMPLATE, values)
