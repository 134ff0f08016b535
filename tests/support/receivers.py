"""A receiver of webhooks in the process of the tests, in the place of the network."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from zope.component import getGlobalSiteManager, getUtility
from zope.interface import implementer

from librarian.events.interfaces import HookAnswer, IHookSender


@implementer(IHookSender)
class Receiver:
    """Keeps what it is sent, oldest first, and gives `answer`, or what `judge` says."""

    def __init__(self) -> None:
        self.answer = HookAnswer(200, "thanks")
        self.got: list[tuple[str, dict[str, str], bytes]] = []

    def send(self, url: str, headers: dict[str, str], body: bytes) -> HookAnswer:
        self.got.append((url, headers, body))
        return self.judge(url, body)

    def judge(self, url: str, body: bytes) -> HookAnswer:
        """The answer to one event; a test may put another in its place."""
        return self.answer


@contextmanager
def receiving() -> Iterator[Any]:
    """A Receiver in the place of the network for the length of a `with`."""
    manager, before, receiver = getGlobalSiteManager(), getUtility(IHookSender), Receiver()
    manager.registerUtility(receiver, IHookSender)
    try:
        yield receiver
    finally:
        manager.registerUtility(before, IHookSender)
