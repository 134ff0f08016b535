"""Requests whose malformed parts are the sender's fault and not ours."""

from typing import Any

from pyramid import request
from pyramid.httpexceptions import HTTPBadRequest


class Request(request.Request):
    """A Pyramid request; where webob lets errors of its parser of forms out, it answers 400."""

    @property
    def POST(self) -> Any:
        try:
            return super().POST
        except (ValueError, DeprecationWarning):
            # Parts without a boundary between them, or another charset than UTF-8.
            raise HTTPBadRequest("The form cannot be read.") from None
