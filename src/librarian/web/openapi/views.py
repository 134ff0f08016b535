"""``/+openapi.json``: the description of this site's HTTP interfaces."""

from typing import Any

from pyramid.httpexceptions import HTTPBadRequest
from pyramid.request import Request
from pyramid.response import Response
from zope.component import getUtilitiesFor, getUtility

from librarian.interfaces import ISettings
from librarian.web.endpoints import endpoint_of, endpoint_url
from librarian.web.interfaces import IEndpoint
from librarian.web.openapi.declaring import describes, does, gives
from librarian.web.openapi.document import document_of
from librarian.web.openapi.schemas import WORD
from librarian.web.requests.mounting import mount

PATH = "/+openapi.json"


@describes(
    PATH,
    GET=does(
        "This description; of another endpoint by its name",
        gives({"type": "object", "required": ["openapi", "info", "paths"]}),
        query={"endpoint": {**WORD, "default": "app"}},
    ),
)
def openapi(context: Any, request: Request) -> Response:
    """The description of the endpoint in the parameter `endpoint`; of the web application without it.

    Raises HTTPBadRequest for one that is not there."""
    endpoints = dict(getUtilitiesFor(IEndpoint))
    here = next(name for name, one in endpoints.items() if one is endpoint_of(request))
    name = request.GET.get("endpoint", here)
    if name not in endpoints:
        raise HTTPBadRequest(f"endpoint: one of {', '.join(sorted(endpoints))}.")
    server = (mount() or "/") if name == here else endpoint_url(_section(endpoints[name]))
    found = document_of(request.registry.introspector, name, server)
    found["info"]["x-endpoints"] = sorted(endpoints)
    for operation in found["paths"].get(PATH, {}).values():
        operation["parameters"][0]["schema"]["enum"] = sorted(endpoints)
    return Response(json_body=found)


def _section(endpoint: Any) -> Any:
    return getUtility(ISettings).section(endpoint.section)
