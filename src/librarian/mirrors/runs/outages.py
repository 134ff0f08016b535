"""Facts of the registry that tell an outage of the prober's network from a mirror's failure."""

import random
from collections.abc import Iterable
from datetime import datetime, timedelta

from librarian.mirrors.model.distributions import MirrorsSubtree
from librarian.mirrors.model.mirrors import DistributionMirror
from librarian.mirrors.probing.control import MIRRORS_TO_CHOOSE_FROM, ControlSite
from librarian.mirrors.probing.verdict import Verdict
from librarian.mirrors.settings import MirrorSettings

#: How long ago a mirror may have been found good to be believed in: longer than an outage lasts, for in an
#: outage none is found good, and short enough for a mirror that can no longer be judged to drop out.
LATELY = timedelta(days=7)


def control_sites(
    subtree: MirrorsSubtree, settings: MirrorSettings, now: datetime, chance: random.Random
) -> list[ControlSite]:
    """The servers to ask when a mirror fails: those of the settings, or else the archives themselves and
    mirrors that were good lately."""
    if settings.control_urls:
        return [ControlSite(url, chosen=True) for url in settings.control_urls]
    mains = [ControlSite(each.main_url) for each in subtree.distributions.values() if each.main_url]
    return mains + _good_mirrors(subtree, now, chance)


def _good_mirrors(subtree: MirrorsSubtree, now: datetime, chance: random.Random) -> list[ControlSite]:
    numbers = list(subtree.mirrors_by_id.keys())
    found: dict[str, ControlSite] = {}
    for number in chance.sample(numbers, len(numbers)):
        mirror = subtree.mirrors_by_id[number]
        if mirror.is_well and was_good_since(mirror, now - LATELY):
            site = ControlSite(mirror.base_url, _known_path(mirror), is_mirror=True)
            found[site.place] = site
        if len(found) == MIRRORS_TO_CHOOSE_FROM:
            break
    return list(found.values())


def was_good_since(mirror: DistributionMirror, moment: datetime) -> bool:
    """Whether the last probe that told anything found nothing wrong with the mirror, and was not before
    `moment`."""
    for record in mirror.latest_records():
        if record.verdict != Verdict.INCONCLUSIVE.value:
            well = record.verdict in (Verdict.GOOD.value, Verdict.UNKNOWN.value)
            return well and record.date_created >= moment
    return False


def _known_path(mirror: DistributionMirror) -> str:
    rows: Iterable[object] = (*mirror.source_parts, *mirror.binary_parts)
    return next((row.key.path for row in rows), "")  # type: ignore[attr-defined]  # both kinds have it


def is_first_look(mirror: DistributionMirror, last_offline: datetime | None) -> bool:
    """Whether the mirror was not looked at since the prober's own network was down: what is found then is
    looked at once more before it counts."""
    if last_offline is None or mirror.date_created > last_offline:
        return False
    last = mirror.last_record
    return last is None or last.date_created <= last_offline
