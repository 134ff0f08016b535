"""Transactions that are tried again when they meet a conflict or lose their connection."""

import logging
import random
import time
from collections.abc import Callable
from typing import Any, TypeVar

from transaction.interfaces import TransientError

log = logging.getLogger(__name__)

T = TypeVar("T")

STALE_OID = "A different object already has the same oid"
ATTEMPTS = 20
LONGEST_PAUSE_SECONDS = 0.25


def retrying(attempt: Callable[[], T]) -> T:
    """Call `attempt` until it raises no TransientError, ATTEMPTS times at most.

    The pause is random between nothing and a bound that grows, so that writers who collided once
    do not collide again in step (the measurements behind it: without it one process starves).
    """
    for number in range(1, ATTEMPTS):
        try:
            return attempt()
        except (TransientError, ValueError) as error:
            if not isinstance(error, TransientError) and not is_stale_oid(error):
                raise
            log.info("transaction tried again attempt=%d error=%s", number, type(error).__name__)
            time.sleep(random.uniform(0, min(0.002 * 2**number, LONGEST_PAUSE_SECONDS)))  # noqa: S311  # no secret
    return attempt()


def is_stale_oid(error: BaseException) -> bool:
    """Whether a new object was given an object id that is in use; a retry gets another.

    A ZEO client keeps numbers in stock.  Those from before a restart of its server may be given to
    others as well (ZODB's Connection tells it by a plain ValueError).
    """
    return isinstance(error, ValueError) and str(error).startswith(STALE_OID)


def in_transaction(manager: Any, work: Callable[[], T]) -> T:
    """The result of `work`, called and committed in a new transaction of `manager`; aborted on any error."""
    manager.begin()
    try:
        result = work()
        manager.commit()
    except BaseException:
        manager.abort()
        raise
    return result
