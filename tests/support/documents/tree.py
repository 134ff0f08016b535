"""What the documents on the tree use."""

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any


def asked_meanwhile(tree: Any, works: Sequence[Callable[[], Any]]) -> None:
    """Have the works asked of run_together() in this order, each by a thread, during a commit.

    Prints the outcome of each, and in how many commits those that came about did.
    """
    begun, go_on = threading.Event(), threading.Event()
    outcomes: list[str] = [""] * len(works)

    def first() -> None:
        begun.set()
        go_on.wait()

    def ask(number: int) -> None:
        try:
            outcomes[number] = str(tree.run_together(works[number]))
        except LookupError as error:
            outcomes[number] = f"{type(error).__name__}: {error}"

    threads = [threading.Thread(target=tree.run_together, args=(first,))]
    threads[0].start()
    begun.wait()
    before = _commits(tree)
    for number in range(len(works)):
        threads.append(threading.Thread(target=ask, args=(number,)))
        threads[-1].start()
        while len(tree._together._waiting) <= number:
            time.sleep(0)
    go_on.set()
    for thread in threads:
        thread.join()
    number = _commits(tree) - before
    print(*outcomes, f"{number} commit{'s' * (number != 1)}", sep="\n")


def _commits(tree: Any) -> int:
    return sum(1 for _transaction in tree._database.storage.iterator())
