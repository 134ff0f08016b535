"""A Pyramid application around the library: its settings, its users, and a request's library.

``config.include("librarian", route_prefix="/lib")`` mounts the library below ``/lib``.  It stays an
application of its own, with its own views, tweens, transactions and error pages, so that neither side
meets what the other has configured; the host keeps its session, its database and its security policy.
The host's settings that begin with ``librarian.`` are those of an ini file.

Pages lie directly below the prefix, and each mounted endpoint below ``+`` and its name: a public file
is at ``/lib/+public/<id>/<name>``.  `mount_url` says at which URL clients reach the prefix, since links
to files are made outside of requests as well.

A typical request: the host's router finds the route ``librarian`` and calls its view.  That asks
IHostUser, an adapter of the host's request, who is logged in there, sets the host's transaction aside,
and calls the library's own application with what follows the prefix as path.

In the host's own views ``request.library`` is the ILibraryFileAliasSet.  It is open until the request is
over, works in the host's transaction, and the host's user acts in it.
"""

from zope.interface import Attribute, Interface

# zope.interface methods are written without self


class IHostUser(Interface):
    """The person in the library that the sender of a host's request is.

    The library asks for it by adapting the host's Pyramid request, where `librarian.host_authentication` is
    on.  Without an adapter of the host's own it is the person whose name is ``request.authenticated_userid``.
    """

    name: str | None = Attribute("The name of a person, or None for a stranger; unknown names are strangers.")
