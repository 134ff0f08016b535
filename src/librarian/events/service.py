"""The webhooks as a utility, and each with the services that it needs."""

import secrets
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import urlsplit

from zope.component import getUtilitiesFor, getUtility
from zope.interface import implementer

from librarian.binding import Bound, stored
from librarian.events.delivering import rfc3339
from librarian.events.interfaces import InvalidWebhook, IWebhook, IWebhookSet, NewWebhook, NoSuchWebhook
from librarian.events.model import EventsSubtree, Webhook
from librarian.interfaces import IClock, IEventKind
from librarian.security.audit import record_at_commit
from librarian.security.interaction import current_principal, is_permitted
from librarian.tree.interfaces import ITree

LONGEST_URL = 2000


@implementer(IWebhook)
class BoundWebhook(Bound):
    """A stored webhook with the clock, and the set it can be removed from."""

    __slots__ = ()

    def rotate(self) -> str:
        record_at_commit("webhook secret rotated", webhook=self.id)
        secret: str = stored(self).renew_secret(self._services.clock.now())
        return secret

    def deliveries(self) -> Sequence[dict[str, Any]]:
        found = sorted(stored(self).queue.states(), key=lambda each: each[1].number, reverse=True)
        return [_described(state, delivery) for state, delivery in found]

    def resend(self, event_id: str) -> None:
        stored(self).queue.resend(event_id, self._services.clock.now())

    def remove(self) -> None:
        del self._services.subtree.webhooks[self.id]
        record_at_commit("webhook removed", webhook=self.id)


def _described(state: str, delivery: Any) -> dict[str, Any]:
    answer = delivery.answer
    return {
        "id": delivery.entry.id,
        "type": delivery.entry.facts["type"],
        "subject": delivery.entry.facts["subject"],
        "time": delivery.entry.facts["time"],
        "state": state,
        "attempts": delivery.attempts,
        "next": rfc3339(delivery.due) if state == "waiting" else None,
        "delivered": rfc3339(delivery.delivered),
        "status": None if answer is None else answer.status,
        "answer": None if answer is None else answer.text,
    }


@implementer(IWebhookSet)
class WebhookSet:
    """The webhooks of the subtree ``events``."""

    def __init__(self) -> None:
        self._tree = getUtility(ITree)
        self.clock = getUtility(IClock)

    @property
    def subtree(self) -> EventsSubtree:
        """That of this thread's session."""
        found: EventsSubtree = self._tree.subtree("events")
        return found

    def new(self, url: str, kinds: Sequence[str] = ()) -> NewWebhook:
        return self._new(url, kinds, everything=False)

    def newForEverything(self, url: str, kinds: Sequence[str] = ()) -> NewWebhook:
        return self._new(url, kinds, everything=True)

    def _new(self, url: str, kinds: Sequence[str], *, everything: bool) -> NewWebhook:
        _check(url, kinds)
        facts = kinds, current_principal().id, everything, self.clock.now()
        webhook = Webhook(secrets.token_hex(8), url, *facts)
        self.subtree.webhooks[webhook.id] = webhook
        record_at_commit("webhook made", webhook=webhook.id, url=url, everything=everything)
        return NewWebhook(webhook.id, webhook.secret)

    def __iter__(self) -> Iterator[BoundWebhook]:
        for webhook in sorted(self.subtree.webhooks.values(), key=lambda each: (each.created, each.id)):
            bound = BoundWebhook(webhook, self)
            if is_permitted("librarian.events.Hook", bound):
                yield bound

    def __getitem__(self, webhook_id: str) -> BoundWebhook:
        webhook = self.subtree.webhooks.get(webhook_id)
        if webhook is None:
            raise NoSuchWebhook(webhook_id)
        return BoundWebhook(webhook, self)


def _check(url: str, kinds: Sequence[str]) -> None:
    try:
        parts = urlsplit(url)
        is_good = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        is_good = False
    if not is_good or len(url) > LONGEST_URL or not (url.isascii() and url.isprintable() and " " not in url):
        raise InvalidWebhook(f"{url[:100]!r} is no URL of http or https")
    if "@" in parts.netloc:
        raise InvalidWebhook("a webhook's URL holds no password: the signature proves who sends")
    known = {name for name, _kind in getUtilitiesFor(IEventKind)}
    if unknown := sorted(set(kinds) - known):
        raise InvalidWebhook(f"there is no kind of event called {unknown[0]!r}")
