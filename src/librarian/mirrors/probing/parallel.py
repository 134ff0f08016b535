"""Probes of many mirrors at the same time, in bounded memory."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable

from librarian.interfaces import IClock
from librarian.mirrors.probing.interfaces import ProberSettings
from librarian.mirrors.probing.plan import ProbePlan, ProbeReport
from librarian.mirrors.probing.probe import MirrorProbe
from librarian.mirrors.probing.transport.fetcher import Fetcher

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

    Returns the fetcher, which knows the hosts that timed out.  An error of `deliver` or of the planning
    ends the run; an answer of a mirror never does.
    """
    async with Fetcher(settings) as fetcher:
        await probe_with(fetcher, plans, clock, deliver, chance or random.SystemRandom())
    return fetcher


async def probe_with(
    fetcher: Fetcher,
    plans: AsyncIterator[ProbePlan],
    clock: IClock,
    deliver: Callable[[ProbeReport], Awaitable[None]],
    chance: random.Random,
) -> None:
    """Probe each plan's mirror with an open `fetcher`, and `deliver` each report as it is finished."""
    room = asyncio.Semaphore(fetcher.settings.parallel * _MIRRORS_PER_SLOT)

    async def probe(plan: ProbePlan) -> None:
        try:
            await deliver(await MirrorProbe(fetcher, plan, clock, chance).run())
        finally:
            room.release()

    async with asyncio.TaskGroup() as group:
        async for plan in plans:
            await room.acquire()
            group.create_task(probe(plan))
