"""Events of the library, which every component of the process may subscribe to.

`alias` is the stored LibraryFileAlias, as the transaction sees it at that moment.  See IAnnouncedEvent for
what a subscriber may rely on.
"""

from typing import Any

from zope.interface import Attribute

from librarian.interfaces import IAnnouncedEvent


class IFileEvent(IAnnouncedEvent):
    """Something happened to a file."""

    alias: Any = Attribute("The stored alias.")


class IFileAdded(IFileEvent):
    """A file was added, by an upload, a component or as a copy."""


class IFileDeleted(IFileEvent):
    """A file was deleted, by a person or by the garbage collector, a week after its expiry."""


class IFileUndeleted(IFileEvent):
    """A deleted file was brought back."""


class IFileExpiring(IFileEvent):
    """A file expires within `expiry_notice` of the settings; the garbage collector says so once.

    A file without an expiry, to which nothing refers any more, is announced as well before it is dropped.
    """


class IFileDamaged(IFileEvent):
    """The bytes of a file were found to be damaged and were quarantined, or are missing; once until their
    repair."""


class IFileRepaired(IFileEvent):
    """Damaged or missing bytes of a file are whole again, by an upload of the same bytes or by a scrub.

    Of each file of whose damage was told, once.
    """


class ILinkUsed(IFileEvent):
    """A link with a token was used.  Of a link without a number of uses, once in a minute at most."""


class IUploadReceived(IFileEvent):
    """A file came over a link that lets others upload; IFileAdded says the same of every file."""
