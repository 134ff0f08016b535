"""The order that a parent gives to a worker, and the words between them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

# One byte each, on the socket pair.
READY = b"r"  # the worker accepts connections
RETIRE = b","  # as STOP, but clients of connections that are kept open are told by their next answers
STOP = b"."  # finish what is running, and end
ABORT = b"!"  # end at once
REOPEN = b"l"  # open the access log anew
COVER = b"+"  # accept also at the sockets that come with it, of a worker that died: SCM_RIGHTS, unix(7)
UNCOVER = b"-"  # no more at any that came so


@dataclass(frozen=True)
class Order:
    """What a worker is to serve; goes through JSON."""

    ini: str  # absolute path
    overlay: str = ""  # ini text over its settings
    options: Mapping[str, Any] = field(default_factory=dict)  # the fields of Limits, as numbers or as text
    number: int = 0  # of the worker; no two that run at the same time have the same
    control: int = -1  # descriptor of its end of the socket pair
    sockets: Mapping[str, int] = field(default_factory=dict)  # descriptor of each endpoint's socket, by name
    folder: str = ""  # that the workers of the parent share
