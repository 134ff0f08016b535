"""The quotas as a utility."""

from collections.abc import Callable, Mapping
from typing import Any

from zope.component import getUtility
from zope.interface import implementer
from zope.security.proxy import removeSecurityProxy

from librarian.interfaces import ISettings
from librarian.library.quotas.interfaces import InvalidLimit, IParticipantQuota, IQuotaSet, Quota
from librarian.library.quotas.rules import QuotaRules
from librarian.people.interfaces import IPersonSet, ITeamSet
from librarian.quantities import parse_size
from librarian.security.audit import record_event
from librarian.store.interfaces import IByteStore
from librarian.tree.interfaces import ITree

NAMES = ("bytes", "files")
MOST = 1 << 60  # of bytes or files


def parse_limit(name: str, text: str) -> int | None:
    """A limit as people write it: ``10G``, ``none``.  Raises InvalidLimit."""
    stated = text.strip().lower()
    if stated == "none":
        return None
    try:
        found = parse_size(stated) if name == "bytes" else _digits(stated)
    except ValueError:
        found = -1
    if not 0 <= found <= MOST:
        example = "a size such as 500MB or 10G" if name == "bytes" else "a number"
        raise InvalidLimit(f"{name}: {text!r} is neither {example}, nor none, nor default")
    return found


def _digits(stated: str) -> int:
    """A number as people write it: int() takes 1_000 too, and the digits of other scripts."""
    return int(stated) if stated.isascii() and stated.isdigit() and len(stated) < 20 else -1


@implementer(IParticipantQuota)
class ParticipantQuota:
    """The quota of one person or team."""

    def __init__(self, participant: Any, rules: QuotaRules) -> None:
        self.participant = participant
        self._rules = rules

    def quota(self) -> Quota:
        return self._rules.quota_of(self.participant)

    def setLimits(self, values: Mapping[str, int | None]) -> Quota:
        name, stated = self.participant.name, dict(values)
        for key, value in stated.items():
            is_number = isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MOST
            if key not in NAMES or not (value is None or is_number):
                raise InvalidLimit(f"{key}: {value!r} is no limit")
        self._rules.set_limits(self.participant, stated)
        record_event("quota changed", participant=name, **{key: str(value) for key, value in stated.items()})
        return self._rules.fresh_quota_of(self.participant)


@implementer(IQuotaSet)
class QuotaSet:
    """The quotas of the library."""

    @property
    def _rules(self) -> QuotaRules:
        return QuotaRules(getUtility(ITree), getUtility(ISettings), getUtility(IByteStore))

    def of(self, participant: Any) -> ParticipantQuota:
        return ParticipantQuota(removeSecurityProxy(participant), self._rules)

    def limited(self) -> list[Quota]:
        rules = self._rules
        return [rules.quota_of(each) for each in map(_participant, rules.names()) if each is not None]

    def count(self, progress: Callable[[int], object] = lambda seen: None) -> int:
        return self._rules.count(progress)


def _participant(name: str) -> Any:
    found = getUtility(IPersonSet).getByName(name) or getUtility(ITeamSet).getByName(name)
    return removeSecurityProxy(found)
