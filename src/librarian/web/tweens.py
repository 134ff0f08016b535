"""What surrounds every request: a timeline, an open tree, and somebody who acts."""

from collections.abc import Callable

from pyramid.registry import Registry
from pyramid.request import Request
from pyramid.response import Response
from zope.component import getUtility

from librarian.security.interaction import acting_as
from librarian.security.principals import ANONYMOUS
from librarian.timeline import fresh_timeline
from librarian.tree.interfaces import ITree
from librarian.web.faces import face_of

Handler = Callable[[Request], Response]


def surroundings(handler: Handler, registry: Registry) -> Handler:
    """A tween that must lie over pyramid_tm and the exception views: both need the tree."""
    tree = getUtility(ITree)

    def tween(request: Request) -> Response:
        face = face_of(request)
        with fresh_timeline(), tree.session():
            principal = ANONYMOUS if face is None else face.principal(request)
            with acting_as(principal):
                return handler(request)

    return tween
