"""The rule of the settings for keeping past versions, and its application to the whole subtree."""

from dataclasses import dataclass
from itertools import groupby

from librarian.tracker.interfaces import Pruned
from librarian.tracker.model import PastVersion, TrackerSubtree
from librarian.tracker.settings import TrackerSettings

_BATCH = 500  # past versions that are examined in one transaction, at least

PastItem = tuple[str, PastVersion]  # with its key in the subtree


@dataclass(frozen=True)
class Retention:
    """The rule at one moment; `now` in seconds since 1970."""

    keep_versions: int
    keep_seconds: float
    now: int

    @classmethod
    def of(cls, settings: TrackerSettings, now: int) -> "Retention":
        """The rule of the settings; `now` in seconds since 1970."""
        return cls(settings.keep_versions, settings.keep_for.total_seconds(), now)

    def expired(self, items: list[PastItem]) -> list[PastItem]:
        """Those of one name's past versions, the earliest first, that are not kept."""
        surplus = max(0, len(items) - self.keep_versions)
        too_old = self.now - self.keep_seconds
        return [item for place, item in enumerate(items) if place < surplus or item[1].superseded <= too_old]

    def forget_expired(self, subtree: TrackerSubtree, path: str) -> None:
        """Release the expired versions of one name."""
        for key, _past in self.expired(subtree.past_items(path)):
            subtree.forget(key)

    def prune_batch(self, subtree: TrackerSubtree, after: str, dry_run: bool) -> tuple[str | None, Pruned]:
        """Release the expired versions of the next names behind the key `after`.

        Ends after the name with which the batch is full.  Returns the key to go on from, None at the end,
        and what was released (or, with `dry_run`, would be).
        """
        seen, expired = 0, []
        for _name, group in groupby(subtree.all_past(after), lambda item: item[0].partition("\0")[0]):
            items = list(group)
            expired += self.expired(items)
            seen += len(items)
            after = items[-1][0]
            if seen >= _BATCH:
                break
        if not dry_run:
            for key, _past in expired:
                subtree.forget(key)
        released = Pruned(len(expired), sum(past.file.size for _key, past in expired))
        return (after if seen >= _BATCH else None), released
