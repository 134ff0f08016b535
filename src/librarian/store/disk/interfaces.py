"""What a store on this machine's disk offers beside IByteStore."""

from zope.interface import Interface

# ruff: noqa: N805  # zope.interface methods are written without self


class ILocalFiles(Interface):
    """A byte store whose bytes are files on this machine."""

    def open_descriptor(sha256: str) -> int:
        """A descriptor of the held file, for reading; the caller's to close.

        It waits for nothing but the directories of this machine.  Raises OSError, BytesNotFound.
        """


class ICachedFiles(ILocalFiles):
    """A byte store in the network, some of whose bytes are files on this machine at the moment.

    Of the others open_descriptor() raises BytesNotFound, and nothing is asked of the network; what it gives
    may have changed on this machine's disk, and is the caller's to compare with its digest.
    """
