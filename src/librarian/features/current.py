"""The flags of the request that runs in this thread."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from librarian.features.interfaces import DEFAULT_SCOPE, FeatureRule


class FeatureController:
    """The answers for one request: each flag is decided once, when it is first asked for."""

    def __init__(self, rules: Callable[[], Iterable[FeatureRule]], in_scope: Callable[[str], bool]) -> None:
        self._rules = rules
        self._in_scope = in_scope
        self._known: dict[str, FeatureRule] | None = None

    def get(self, flag: str) -> str | None:
        """The value of `flag` here, or None where no rule applies."""
        if self._known is None:
            self._known = {}
            for rule in sorted(iter(self._rules()), key=lambda rule: rule.priority):
                if rule.scope == DEFAULT_SCOPE or self._in_scope(rule.scope):
                    self._known[rule.flag] = rule
        rule_found = self._known.get(flag)
        return None if rule_found is None else rule_found.value


_current: ContextVar[FeatureController | None] = ContextVar("features", default=None)


def feature(flag: str) -> str | None:
    """The value of `flag` in the request that runs in this thread; None outside of one."""
    controller = _current.get()
    return None if controller is None else controller.get(flag)


@contextmanager
def features(controller: FeatureController) -> Iterator[None]:
    """Have `controller` answer for what runs inside the `with`."""
    token = _current.set(controller)
    try:
        yield
    finally:
        _current.reset(token)
