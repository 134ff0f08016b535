"""Webhooks: other programs are told over HTTP what has happened.

What happens in the library and the systems around it is announced to components by zope.event
(`librarian.interfaces.IAnnouncedEvent`; each kind is an interface, registered as an IEventKind).  A *webhook*
is a URL that is told of the kinds that it asks for: those of an administrator of everything, those of any
other person of that person's files.

An event that a webhook wants is written into the *outbox* of the tree by the transaction in which it
happened, so what was aborted is never told and what was committed is never forgotten.  Where no webhook
wants it nothing is written.  The outbox has 16 queues, chosen by the event's subject, so that uploads at the
same time rarely meet in one.

A *worker* (`librarian send-events`, or a server by its settings; one at a time, by a lease in the tree) moves
entries from the outbox to each webhook's own queue and sends them.  The body is a CloudEvents 1.0 object in
JSON; the signature is that of Standard Webhooks.  Any answer of 200 to 299 counts as delivered.  After any
other the delivery waits, longer each time, and so do later ones of the same subject; after three days it is
*parked*, shown, and can be sent again by hand.  A receiver may see an event twice, with the same
``webhook-id``: where the worker dies between the answer and its commit.

What a webhook's owner may know is looked at when an event is sent: the webhooks of a disabled person are told
nothing, and one for everything is told nothing while its owner is no administrator.  What happens meanwhile
is not told later; what waited already goes on waiting.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from zope.interface import Attribute, Interface

from librarian.interfaces import LibrarianError

# ruff: noqa: N805  # interface methods have no self


class InvalidWebhook(LibrarianError, ValueError):
    """The URL or the kinds of a webhook cannot be used."""


class NoSuchWebhook(LibrarianError, LookupError):
    """No webhook has this id."""

    def __init__(self, webhook_id: str) -> None:
        super().__init__(f"no webhook has the id {webhook_id}")
        self.webhook_id = webhook_id


class NoSuchDelivery(LibrarianError, LookupError):
    """The webhook keeps no delivery with this id."""

    def __init__(self, event_id: str) -> None:
        super().__init__(f"no delivery has the id {event_id}")
        self.event_id = event_id


@dataclass(frozen=True, slots=True)
class NewWebhook:
    """A webhook that was just made.  `secret` begins with ``whsec_`` and is not shown again."""

    id: str
    secret: str


@dataclass(frozen=True, slots=True)
class HookAnswer:
    """What a receiver said: its status, or None and why there was no answer; the beginning of its body."""

    status: int | None
    text: str

    @property
    def accepted(self) -> bool:
        """Whether the event counts as delivered."""
        return self.status is not None and 200 <= self.status < 300


class IHookSender(Interface):
    """Sends one event.  A utility."""

    def send(url: str, headers: dict[str, str], body: bytes) -> HookAnswer:
        """POST `body`.  Follows no redirect, takes no proxy, ends within the settings' `timeout`, connects to
        no private address that the settings do not allow.  Raises nothing."""


class IWebhook(Interface):
    """A URL that is told of events."""

    id: str = Attribute("By which it is named.")
    url: str = Attribute("Where events are sent.")
    owner: str = Attribute("The id of the principal who made it.")
    everything: bool = Attribute("Whether it is told of everything; otherwise of the files of its owner.")
    kinds: Sequence[str] = Attribute("The kinds it asks for; none: all.")
    created: datetime = Attribute("When it was made.")

    def rotate() -> str:
        """A new secret, given out this once.  For a day events are signed with the former one as well."""

    def deliveries() -> Sequence[dict[str, Any]]:
        """What waits, what is parked and the last that were delivered, newest first, as JSON objects."""

    def resend(event_id: str) -> None:
        """Send it again with the next pass, whatever became of it.  Raises NoSuchDelivery."""

    def remove() -> None:
        """Forget the webhook and what waits for it."""


class IWebhookSet(Interface):
    """All webhooks: a secured utility."""

    def new(url: str, kinds: Sequence[str] = ()) -> NewWebhook:
        """Tell `url` of events of the acting principal's files.  Raises InvalidWebhook."""

    def newForEverything(url: str, kinds: Sequence[str] = ()) -> NewWebhook:
        """Tell `url` of all events.  Raises InvalidWebhook."""

    def __iter__() -> Iterator[IWebhook]:
        """Those that the acting principal may change, by age."""

    def __getitem__(webhook_id: str) -> IWebhook:
        """By id.  Raises NoSuchWebhook."""
