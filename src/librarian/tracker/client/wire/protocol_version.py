"""The newest version of the protocol that client and server share."""

from librarian.tracker.client.interfaces import ProtocolMismatch, RemoteError
from librarian.tracker.client.wire.transport import Transport, json_field, read_all

SUPPORTED = frozenset({1, 2})


def negotiate(transport: Transport) -> int:
    """The greatest common version; a server without ``/version/`` speaks version 1.

    Raises ProtocolMismatch, RemoteError and RemoteUnavailable.
    """
    offered = _offered(transport)
    if not SUPPORTED & offered:
        theirs, ours = sorted(offered), sorted(SUPPORTED)
        raise ProtocolMismatch(f"the server speaks protocol versions {theirs}, this client {ours}")
    return max(SUPPORTED & offered)


def _offered(transport: Transport) -> set[int]:
    try:
        versions = json_field(read_all(transport.request("GET", "/version/")), "protocol_versions")
        return {int(number) for number in versions}
    except RemoteError as error:
        if error.status != 404:
            raise
        return {1}
    except (ValueError, TypeError, OverflowError):
        message = f"{transport.base_url} does not answer as a filetracker server does"
        raise ProtocolMismatch(message) from None
