"""``/+upload-links`` on the web application: the acting person's links, and for admins all."""

import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, ClassVar

from pyramid.httpexceptions import HTTPBadRequest
from pyramid.request import Request
from pyramid.response import Response
from wtforms import SelectChoice
from wtforms.fields import SelectField, StringField
from wtforms.validators import Length, Regexp
from zope.component import getUtility
from zope.security.proxy import removeSecurityProxy

from librarian.library.drops.interfaces import IUploadLinks
from librarian.library.drops.service import describe_link
from librarian.library.interfaces import InvalidFilename
from librarian.library.views.listing import PAGE_SIZE, page_size, url_with
from librarian.library.views.owners import owner_name
from librarian.quantities import parse_duration, parse_size
from librarian.settings import as_bool
from librarian.web.errors import wants_page
from librarian.web.forms import PageForm, by_form, by_method, done, fields_of, page, readable, text
from librarian.web.openapi.declaring import (
    HTML,
    JSON,
    Answer,
    describes,
    does,
    fields,
    gives,
    only,
    page_of,
    redirects,
)
from librarian.web.openapi.schemas import (
    COUNT,
    FLAG,
    SIZE,
    TEXT,
    TIME,
    URL,
    Named,
    array,
    nullable,
    obj,
    told,
)

TEMPLATE = "librarian.library:templates/upload_links.jinja2"
PATH = "/+upload-links"
WRONG_USES = "uses is a whole number from 1 to 999999999, or any."
_USES = re.compile("[1-9][0-9]{0,8}")
_TEXTS = ("wanted", "filename", "folder")
_KNOWN = {*_TEXTS, "max_size", "media_types", "uses", "lifetime", "restricted", "keep"}
_CONTROL = {"csrf_token", "revoke"}


class LinkForm(PageForm):
    """A new upload link."""

    blames: ClassVar = {InvalidFilename: "filename"}

    wanted = StringField("What is wanted", [Length(max=1000)])
    filename = StringField("Name of the file, if not its own", [Length(max=255)])
    max_size = StringField("Largest size, as 2GB", [readable(parse_size)])
    media_types = StringField("Media types, as image/*, text/plain")
    uses = StringField(
        "Number of files, or any", [Regexp("any$|[1-9][0-9]{0,8}$", message=WRONG_USES)], default="1"
    )
    lifetime = StringField("For how long, as 7d", [readable(parse_duration)], default="7d")
    folder = StringField("Folder of the tree")
    keep = StringField("Files are kept for, as 30d", [readable(parse_duration)])
    restricted = SelectField(
        "Files are", choices=[SelectChoice("true", "restricted"), SelectChoice("false", "public")]
    )


def _values(request: Request, form: PageForm | None = None) -> dict[str, Any]:
    """A page of the list, ``?size=&after=``; `next` is a URL, or null."""
    asked = {name: request.GET[name] for name in ("size", "after") if request.GET.get(name)}
    found, following = removeSecurityProxy(
        getUtility(IUploadLinks).page(page_size(asked), asked.get("after", ""))
    )
    described = [describe_link(link) for link in found]
    return {
        "_title": "Upload links",
        "_url": None,
        "_rows": [{**each, "owner": owner_name(each["owner"])} for each in described],
        "_form": form or LinkForm(),
        "_first": PATH if "after" in asked else None,
        "links": described,
        "next": url_with(asked, PATH, after=following) if following else None,
    }


def _list(context: Any, request: Request) -> Response:
    return page(request, TEMPLATE, _values(request))


def _change(context: Any, request: Request) -> Response:
    """Revoke the link whose id is in the field `revoke`, or make one: 201 with its URL, shown this once."""
    fields = fields_of(request, lists={"media_types": ","})
    links = getUtility(IUploadLinks)
    if "revoke" in fields:
        _refuse_others(fields)
        links.revoke(text(fields, "revoke"))
        return done(request, PATH, {"revoked": True})
    return by_form(
        request,
        LinkForm,
        partial(_make, request),
        lambda form: page(request, TEMPLATE, _values(request, form)),
        lists={"media_types": ","},
    )


def _refuse_others(fields: Mapping[str, Any]) -> None:
    """Raise HTTPBadRequest for fields beside the one that revokes a link, which would be ignored."""
    for name in sorted(set(fields) - _CONTROL):
        raise HTTPBadRequest(f"{name} is no field of a request that revokes a link.")


def _make(request: Request, fields: Mapping[str, Any]) -> Response:
    url = getUtility(IUploadLinks).create(**terms_of(fields))
    if not wants_page(request):
        return Response(json_body={"url": url}, status=201)
    request.tm.begin()  # the link was committed independently; see it in the list
    return page(request, TEMPLATE, {**_values(request), "_url": url})


def terms_of(fields: Any) -> dict[str, Any]:
    """The terms of a new link by the fields of a form or of JSON, all optional.  Raises HTTPBadRequest.

    `max_size` is as ``2GB``, `media_types` separated by commas, `uses` a number or ``any``, `lifetime` and
    `keep` as ``7d``, `restricted` true or false; the others are text.
    """
    unknown = sorted(set(fields) - _KNOWN - _CONTROL)
    if unknown:
        raise HTTPBadRequest(f"{unknown[0]} is no field of an upload link.")
    stated = {name: str(fields[name]).strip() for name in fields if name in _KNOWN}
    found: dict[str, Any] = {name: stated[name] for name in _TEXTS if stated.get(name)}
    readers: dict[str, Callable[[str], Any]] = {
        "max_size": parse_size,
        "keep": parse_duration,
        "lifetime": parse_duration,
        "restricted": as_bool,
    }
    try:
        found |= {name: read(stated[name]) for name, read in readers.items() if stated.get(name)}
    except ValueError as error:
        raise HTTPBadRequest(str(error)) from None
    if stated.get("media_types"):
        found["media_types"] = tuple(filter(None, map(str.strip, stated["media_types"].split(","))))
    if stated.get("uses"):
        found["max_uses"] = None if stated["uses"] == "any" else _uses(stated["uses"])
    return found


def _uses(stated: str) -> int:
    if not _USES.fullmatch(stated):
        raise HTTPBadRequest(WRONG_USES)
    return int(stated)


_DURATION = told(TEXT, "such as 7d")
_LINK = Named(
    "UploadLink",
    obj(
        id=TEXT,
        wanted=TEXT,
        owner=nullable(TEXT),
        created=TIME,
        expires=TIME,
        uses=COUNT,
        max_uses=nullable(COUNT),
        filename=nullable(TEXT),
        max_size=nullable(SIZE),
        media_types=array(TEXT),
        restricted=FLAG,
        folder=nullable(TEXT),
        keep=nullable(told(COUNT, "seconds")),
    ),
)

links = describes(
    PATH,
    GET=does(
        "A page of one's upload links; of all of them, for administrators",
        page_of(obj(links=array(_LINK), next=nullable(URL))),
        query={"size": PAGE_SIZE, "after": told(TEXT, "as the next page's URL has it")},
    ),
    POST=does(
        "Make an upload link, or revoke one",
        gives(obj(url=URL), 201, "Made; the URL is shown this once"),
        Answer(200, "Revoked; or made, for a browser", {JSON: obj(revoked=FLAG), HTML: TEXT}),
        redirects(303, "Revoked, for a browser"),
        body=only(
            fields(
                revoke=told(TEXT, "the id of a link"),
                wanted=TEXT,
                filename=TEXT,
                folder=TEXT,
                max_size=told(TEXT, "such as 2GB"),
                media_types=told(TEXT, "separated by commas"),
                uses=told(TEXT, "a number, or any"),
                lifetime=_DURATION,
                keep=_DURATION,
                restricted=told(TEXT, "true or false"),
            )
        ),
    ),
)(by_method(GET=_list, POST=_change))
