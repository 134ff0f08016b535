"""Which limits hold for an owner, and whether one more file is allowed.  Checks no permission."""

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

from zope.component import queryUtility
from zope.security.proxy import removeSecurityProxy

from librarian.interfaces import ISettings
from librarian.library.model.quotas import PERSON, Quotas, Use, name_of
from librarian.library.quotas.counting import count_all, mend
from librarian.library.quotas.interfaces import Limit, Quota, QuotaExceeded, UseJustCounted
from librarian.library.quotas.settings import QuotaSettings
from librarian.people.interfaces import IPersonSet, ITeam
from librarian.store.interfaces import IByteStore, PartialNotFound
from librarian.tree.interfaces import ITree

log = logging.getLogger(__name__)

_one_walk = threading.Lock()  # many uploads that need a count wait for one walk


class QuotaRules:
    """The quotas of a library."""

    def __init__(self, tree: ITree, settings: ISettings, store: IByteStore) -> None:
        self._tree = tree
        self._settings = settings
        self._store = store

    # -- before the bytes

    def require(self, owner: str | None, size: int | None, upload_id: str | None = None) -> None:
        """Refuse a file of `size` bytes (None: not known) that cannot be added, beside what is on its way;
        `upload_id` is that of a resumable upload of this file.  Raises QuotaExceeded."""
        limited = self.limits_of(owner)
        pending = self._pending(owner, upload_id) if owner is not None and limited else 0
        for quota in limited:
            if not quota.allows(size, pending=pending):
                raise QuotaExceeded(quota, size)

    def room(self, owner: str | None, upload_id: str | None = None) -> int | None:
        """The bytes that a file of an owner may have at most; None: any number."""
        narrowest = self.narrowest(owner)
        if owner is None or narrowest is None:
            return None
        return max(_left(narrowest) - self._pending(owner, upload_id), 0)

    def narrowest(self, owner: str | None) -> Quota | None:
        """The quota of bytes of which the least is left to an owner; None: there is none."""
        limited = [quota for quota in self.limits_of(owner) if quota.limit.bytes is not None]
        return min(limited, key=_left, default=None)

    def _pending(self, owner: str, except_for: str | None) -> int:
        """How many bytes an owner has in resumable uploads that are under way, but for one: what was
        declared, or else what has come.  See uploads.model for their facts."""
        found, partials = 0, self._store.partials
        for upload_id in partials:
            with suppress(PartialNotFound):
                facts = partials.facts(upload_id)
                if facts["owner"] == owner and not facts["named"] and upload_id != except_for:
                    found += facts["length"] or (0 if facts["stored"] else partials.size(upload_id))
        return found

    def limits_of(self, owner: str | None) -> list[Quota]:
        """The limits that hold for an owner, outside of a transaction that adds: of the person, of teams."""
        name = name_of(owner)
        if name is None or not self._is_any:
            return []
        try:
            return self._limits(name)
        except UseJustCounted:  # another session sees it
            found: list[Quota] = self._tree.run_independently(lambda: self._limits(name))
            return found

    # -- in the transaction that adds

    def admit(self, owner: str | None, size: int) -> None:
        """Allow that `owner` gets one more file of `size` bytes, in this transaction.

        Raises QuotaExceeded, and UseJustCounted, after which the transaction is to be repeated."""
        name = name_of(owner)
        if name is None or not self._is_any:
            return
        assert owner is not None
        quotas = self._limits(name, for_change_of=owner)
        for quota in quotas:
            if not quota.allows(size):
                raise QuotaExceeded(quota, size)
        stored = self._stored
        use = None if stored is None else stored.uses.get(owner)
        if use is not None:
            use.permit(_most(quotas, use, "files"), _most(quotas, use, "bytes"))

    # -- what holds

    def quota_of(self, participant: Any) -> Quota:
        """The quota of an IPerson or ITeam; `used` is None where nothing is counted."""
        if ITeam.providedBy(participant):
            return self._team(participant)
        return self._person(participant.name)

    @property
    def _is_any(self) -> bool:
        return self._stored is not None or any(self._defaults)

    @property
    def _defaults(self) -> tuple[Limit, Limit]:
        """Those of persons and of teams."""
        found = self._settings.section(QuotaSettings)
        return (
            Limit(found.person_bytes or None, found.person_files or None),
            Limit(found.team_bytes or None, found.team_files or None),
        )

    @property
    def _stored(self) -> Quotas | None:
        quotas: Quotas | None = self._tree.subtree("library").quotas
        return quotas

    def _limits(self, name: str, for_change_of: str | None = None) -> list[Quota]:
        teams = [self._team(team, for_change_of) for team in self._limited_teams(name)]
        found = [self._person(name), *teams]
        limited = [quota for quota in found if quota.limit]
        if limited:
            self._require_counted(f"{PERSON}{name}", limited)
        return limited

    def _person(self, name: str) -> Quota:
        stored, default = self._stored, self._defaults[0]
        limit, is_default = _limit(stored, name, default)
        return Quota("person", name, limit, _used(stored, f"{PERSON}{name}"), is_default)

    def _limited_teams(self, name: str) -> Iterator[Any]:
        """The teams that the person is in, directly or through others, and that are limited."""
        people, stored, default = queryUtility(IPersonSet), self._stored, self._defaults[1]
        if people is None or not (default or (stored is not None and stored.limits)):
            return
        person = removeSecurityProxy(people).getByName(name)
        for team in [] if person is None else _reached(person, lambda each: each.teams()):
            if _limit(stored, team.name, default)[0]:
                yield team

    def _team(self, team: Any, for_change_of: str | None = None) -> Quota:
        """The quota of a team; before a change of one member's use the others' are to stay as they are."""
        stored = self._stored
        limit, is_default = _limit(stored, team.name, self._defaults[1])
        members = _reached(removeSecurityProxy(team), _members)
        owners = [f"{PERSON}{each.name}" for each in members if not ITeam.providedBy(each)]
        if stored is None or not limit:
            return Quota("team", team.name, limit, None, is_default)
        if for_change_of is not None:
            for owner in owners:
                if owner != for_change_of:
                    _hold_still(stored.record(owner))
        uses = [use for use in map(stored.uses.get, owners) if use is not None]
        used = Limit(sum(use.bytes for use in uses), sum(use.files for use in uses))
        return Quota("team", team.name, limit, used, is_default)

    def fresh_quota_of(self, participant: Any) -> Quota:
        """quota_of(), as of now and not as of this transaction's beginning."""
        found: Quota = self._tree.run_independently(lambda: self.quota_of(participant))
        return found

    def names(self) -> list[str]:
        """Of persons and teams that have limits of their own, or a record of use."""
        stored = self._stored
        used = () if stored is None else filter(None, map(name_of, stored.uses))
        return sorted({*used, *(() if stored is None else stored.limits)})

    def set_limits(self, participant: Any, values: dict[str, int | None]) -> None:
        """Set the limits of a person or team, committed at once, and count what is not counted."""
        is_team = ITeam.providedBy(participant)
        owner = f"{PERSON}{participant.name}"

        def work(quotas: Quotas) -> None:
            quotas.limit(participant.name, values)
            if is_team:
                quotas.count_everyone()
            else:
                quotas.record(owner)

        self.change(work)
        if not self._tree.run_independently(lambda: self._is_counted(owner, is_team)):
            self.count()

    # -- counting

    def _require_counted(self, owner: str, limited: list[Quota]) -> None:
        """Have the owner's files counted, beside this transaction.  Raises UseJustCounted."""
        for_everyone = bool(self._defaults[0]) or any(quota.kind == "team" for quota in limited)
        if self._is_counted(owner, for_everyone):
            return
        with _one_walk:
            if not self._tree.run_independently(lambda: self._is_counted(owner, for_everyone)):
                self.begin(owner, for_everyone)
                self.count()
        raise UseJustCounted("the files of an owner had to be counted")

    def _is_counted(self, owner: str, for_everyone: bool) -> bool:
        stored = self._stored
        if stored is None or (for_everyone and not (stored.everyone and stored.everyone_counted)):
            return False
        use = stored.uses.get(owner)
        return stored.everyone if use is None else use.counts > 0

    def begin(self, owner: str | None, for_everyone: bool) -> None:
        """From now on note what an owner, or everyone, adds and deletes; committed at once."""
        if for_everyone:
            self.change(lambda quotas: quotas.count_everyone())
        elif owner is not None:
            self.change(lambda quotas: quotas.record(owner))

    def change(self, work: Callable[[Quotas], object]) -> None:
        """Change the stored quotas in a transaction beside this one."""

        def change() -> None:
            subtree = self._tree.subtree("library")
            if subtree.quotas is None:
                subtree.quotas = Quotas()
            work(subtree.quotas)

        self._tree.run_independently(change)

    def count(self, progress: Callable[[int], object] = lambda seen: None) -> int:
        """Count all, and put the records right; how many were not."""
        number = mend(self._tree, count_all(self._tree, progress))
        log.info("quotas counted records=%d", number)
        return number


def _limit(stored: Quotas | None, name: str, default: Limit) -> tuple[Limit, bool]:
    values = None if stored is None else stored.limits.get(name)
    if values is None:
        return default, True
    return Limit(values.get("bytes", default.bytes), values.get("files", default.files)), False


def _used(stored: Quotas | None, owner: str) -> Limit | None:
    use = None if stored is None else stored.uses.get(owner)
    if use is not None and use.counts:
        return Limit(use.bytes, use.files)
    is_empty = stored is not None and use is None and stored.everyone and stored.everyone_counted
    return Limit(0, 0) if is_empty else None


def _left(quota: Quota) -> int:
    return (quota.limit.bytes or 0) - ((quota.used and quota.used.bytes) or 0)


def _most(quotas: list[Quota], use: Use, name: str) -> int | None:
    """Up to which number this use may rise while those of other members of teams stay as they are."""
    own: int = getattr(use, name)
    found = [
        getattr(quota.limit, name) - (getattr(quota.used, name) - own)
        for quota in quotas
        if getattr(quota.limit, name) is not None
    ]
    return min(found, default=None)


def _hold_still(use: Use) -> None:
    """Conflict with a change of the record, without a write."""
    if not use.is_new():
        use._p_jar.readCurrent(use)


def _members(participant: Any) -> list[Any]:
    return list(participant.members()) if ITeam.providedBy(participant) else []


def _reached(participant: Any, steps: Callable[[Any], Any]) -> list[Any]:
    """All that repeated `steps` lead to, once each, but for where they begin."""
    found: dict[str, Any] = {}
    waiting = [participant]
    while waiting:
        fresh = [each for each in steps(waiting.pop()) if each.name not in found]
        found.update({each.name: each for each in fresh})
        waiting.extend(fresh)
    return list(found.values())
