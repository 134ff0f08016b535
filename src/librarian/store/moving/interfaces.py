"""Moving bytes from one store to another while the library is in use.

In three steps, none of which loses anything when it is interrupted:

1. The bytes are copied to the new store while servers go on with the old one (`Copying`).
2. Servers are started again with both: new bytes go to the new store, and what is not there is read from the
   old one (`BothStores`).
3. What came to the old store between the first step and the second is copied too.  From then on the new one
   has everything, and the old one is not needed.

Nothing is removed from the old store but what the sweep would remove.  Going back is the same with the two
exchanged.  There is no record of how far a copy has come: both stores list what they hold in the same order,
and what is missing in the new one is copied.
"""

from zope.interface import Interface

from librarian.interfaces import LibrarianError

# zope.interface methods are written without self


class OtherInstallation(LibrarianError, ValueError):
    """The target has the bytes of another library, or of one that it does not tell."""


class ICopying(Interface):
    """Copies what one store holds and another does not."""

    def run() -> object:
        """Copy all that is missing; a report.  May be interrupted and run again.

        Raises StoreFull and StoreUnavailable of either store; what was copied stays copied.
        """
