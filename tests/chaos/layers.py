"""A cluster that is harmed."""

import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import ClassVar

from tests.chaos.faults import Victim, running_cluster
from tools.cluster.cluster import missing


class Harmed:
    """One cluster for all tests of the layer: two nodes with two workers, PostgreSQL, Swift and nginx."""

    victim: ClassVar[Victim]
    _running: ClassVar[ExitStack]

    @classmethod
    def missing(cls) -> str | None:
        return missing()

    @classmethod
    def setUp(cls) -> None:
        with ExitStack() as running:
            folder = running.enter_context(tempfile.TemporaryDirectory(prefix="librarian-chaos-"))
            cls.victim = running.enter_context(running_cluster(Path(folder)))
            cls._running = running.pop_all()

    @classmethod
    def tearDown(cls) -> None:
        cls._running.close()
