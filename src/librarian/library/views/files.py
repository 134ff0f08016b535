"""Files in the web application: ``/files/<id>``."""

from typing import Any

from pyramid.request import Request
from pyramid.response import Response
from zope.component import getUtility
from zope.interface import implementer

from librarian.library.filenames import ID
from librarian.library.http.description import FILE, describe
from librarian.library.interfaces import ILibraryFileAliasSet
from librarian.library.model.quotas import name_of
from librarian.library.quotas.description import QUOTA
from librarian.library.quotas.interfaces import IQuotaSet
from librarian.library.views.alias import LibraryFileAliasView
from librarian.people.interfaces import IPersonSet
from librarian.security.interaction import is_permitted
from librarian.web.interfaces import IAppSection
from librarian.web.openapi.declaring import describes, does, gives, redirects
from librarian.web.openapi.schemas import TEXT, extended, maybe


class Files:
    """``/files``: holds every alias by its id."""

    __name__ = "files"

    def __init__(self, parent: Any) -> None:
        self.__parent__ = parent

    def __getitem__(self, segment: str) -> Any:
        if not ID.fullmatch(segment):
            raise KeyError(segment)
        return getUtility(ILibraryFileAliasSet)[int(segment)]


@implementer(IAppSection)
class FilesSection:
    """The link to the files, and their container."""

    title = "Files"
    description = "Your files and those that you may see: add, find, share, bring back."

    def root(self, parent: Any, request: Request) -> Files:
        return Files(parent)


files_section = FilesSection()


def prefers_json(request: Request) -> bool:
    """Whether JSON is asked for by name; a client that takes anything is led to the file."""
    offers = request.accept.acceptable_offers(["text/html", "application/json"])
    return bool(offers) and offers[0][0] == "application/json"


def owners_quota(alias: Any) -> dict[str, Any]:
    """Under ``quota`` what the owner of a file may have and has, for those who may see that."""
    name = name_of(alias.owner)
    person = None if name is None else getUtility(IPersonSet).getByName(name)
    if person is None:
        return {}
    found = getUtility(IQuotaSet).of(person)
    return {"quota": found.quota().as_json()} if is_permitted("librarian.ViewQuota", found) else {}


@describes(
    "/files/{id:int}",
    GET=does(
        "A file as JSON, if that is accepted by name; else to where it is downloaded",
        gives(extended(FILE, quota=maybe(QUOTA))),
        redirects(302, "There it is"),
        headers={"Accept": TEXT},
    ),
)
def file_index(context: Any, request: Request) -> Response:
    """``/files/<id>``: a redirection to where the file is downloaded, or its description."""
    if prefers_json(request):
        return Response(json_body={**describe(context), **owners_quota(context)}, vary=("Accept",))
    return LibraryFileAliasView(context, request)()
