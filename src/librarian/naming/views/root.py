"""``/tree/...``: the named tree over HTTP.

====================  ==========================================================================
GET entry             redirects to the file; ``?version=N`` to an old one; ``?history`` lists them;
                      with ``Accept: application/json`` its description
GET folder            its listing, as JSON or as a page, ``?start=&limit=``
PUT entry             the body is the file: 201 new, 200 replaced; ``?parents=true`` makes folders;
                      with Upload-Complete it is resumable (see librarian.library.uploads)
PUT folder/           with a slash at its end: makes a folder; ``?restricted=true``
POST                  ``move_to=/path``: another path for it
DELETE                an entry, an empty folder, or any folder with ``?recursive=true``
====================  ==========================================================================

PUT, POST and DELETE of entries evaluate If-Match and If-None-Match (RFC 9110, section 13.1).  The entity
tag of an entry is that of its file.
"""

from typing import Any

from pyramid.request import Request
from zope.interface import implementer

from librarian.naming.views.changing import delete_node, post
from librarian.naming.views.path import TreePath
from librarian.naming.views.reading import show
from librarian.naming.views.storing import put
from librarian.web.forms import by_method
from librarian.web.interfaces import IAppSection, ITakesFiles
from librarian.web.requests.parts import takes_parts


@implementer(IAppSection, ITakesFiles)
class TreeSection:
    """The named tree among the sections of the web application."""

    title = "Tree"
    description = "Files by path, in folders."

    def root(self, parent: Any, request: Request) -> TreePath:
        return TreePath()


section = TreeSection()

place = takes_parts(by_method(GET=show, PUT=put, POST=post, DELETE=delete_node))
