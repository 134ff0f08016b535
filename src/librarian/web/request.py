"""Our requests: properties that views and templates use, and malformed parts that are the sender's fault.

The properties are those of a class, and not added with ``add_request_method``, for which Pyramid makes
a class for each request: a sixth of the time that a small download takes.
"""

from typing import Any

from pyramid import request
from pyramid.decorator import reify
from pyramid.httpexceptions import HTTPBadRequest
from pyramid_tm import create_tm

from librarian.security.interaction import current_principal
from librarian.store.interfaces import DigestMismatch
from librarian.web.faces import face_of


class Request(request.Request):
    """A Pyramid request; where webob lets errors of its parser of forms out, it answers 400."""

    @property
    def POST(self) -> Any:
        try:
            return super().POST
        except DigestMismatch:
            raise  # a ValueError with a better reason
        except (ValueError, DeprecationWarning):
            # Parts without a boundary between them, or another charset than UTF-8.
            raise HTTPBadRequest("The form cannot be read.") from None

    @reify
    def tm(self) -> Any:
        """The transaction manager, as pyramid_tm would add it."""
        return create_tm(self)

    @property
    def offers_login(self) -> bool:
        """Whether a page may invite to log in."""
        face = face_of(self)
        return face is not None and face.for_browsers and not current_principal().authenticated

    @property
    def here(self) -> str:
        """The path and query of this request, to come back to; ``/`` where they are malformed."""
        try:
            return str(self.path_qs)
        except UnicodeDecodeError:
            return "/"
