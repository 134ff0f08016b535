"""A probing run: many mirrors at once, in bounded memory."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable

from librarian.interfaces import IClock
from librarian.mirrors.paths import join_url
from librarian.mirrors.probing.fetcher import Fetcher
from librarian.mirrors.probing.interfaces import ProbeFailed, ProberSettings
from librarian.mirrors.probing.plan import ProbePlan, ProbeReport
from librarian.mirrors.probing.probe import MirrorProbe

# Mirrors under way, as a multiple of the requests under way: enough to keep every slot busy while some
# mirrors wait for their own two, and a bound on the plans and reports held in memory.
_MIRRORS_PER_SLOT = 4


async def probe_all(
    plans: AsyncIterator[ProbePlan],
    settings: ProberSettings,
    clock: IClock,
    deliver: Callable[[ProbeReport], Awaitable[None]],
    chance: random.Random | None = None,
) -> Fetcher:
    """Probe each plan's mirror and hand over each report as it is finished.

    The fetcher is returned for what it learned about hosts.  An error raised by `deliver` or while
    planning ends the run; nothing a mirror does can.
    """
    room = asyncio.Semaphore(settings.parallel * _MIRRORS_PER_SLOT)
    chance = chance or random.SystemRandom()

    async def probe(fetcher: Fetcher, plan: ProbePlan) -> None:
        try:
            await deliver(await MirrorProbe(fetcher, plan, clock, chance).run())
        finally:
            room.release()

    async with Fetcher(settings) as fetcher, asyncio.TaskGroup() as group:
        async for plan in plans:
            await room.acquire()
            group.create_task(probe(fetcher, plan))
    return fetcher


async def any_reachable(urls: tuple[str, ...], settings: ProberSettings) -> bool:
    """Whether one of `urls`, known to be up, answers the prober with anything at all."""
    async with Fetcher(settings) as fetcher:
        answers = await asyncio.gather(*(_answers(fetcher, url) for url in urls))
    return any(answers)


async def _answers(fetcher: Fetcher, url: str) -> bool:
    try:
        await fetcher.head(join_url(url, ""))
    except ProbeFailed as error:
        return error.kind.value == "missing"
    return True
