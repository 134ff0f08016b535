"""What tests of exchanges share: a scene with a spool and a partner, and runs between the two."""

import logging
import unittest
from typing import Any

from librarian.clock import SystemClock
from librarian.spool.exchange.exporter import Exporter
from librarian.spool.exchange.importer import Importer
from librarian.spool.model.report import Report
from tests.support.servers.ftp import Scene


class SceneCase(unittest.TestCase):
    """A fresh scene for each test; `facts` are what its partner is like."""

    facts: dict[str, Any] = {}  # noqa: RUF012  # constant

    def setUp(self) -> None:
        self.scene = Scene(**self.facts)
        self.addCleanup(self.scene.close)
        self.partner = self.scene.partner
        logging.getLogger("librarian.spool").setLevel(logging.INFO)

    def run_export(self, **settings: Any) -> Report:
        return Exporter(self.scene.target(**settings), SystemClock(), sleep=self.pause).run()

    def run_import(self, **settings: Any) -> Report:
        return Importer(self.scene.target(**settings), SystemClock(), sleep=self.pause).run()

    def pause(self, seconds: float) -> None:
        """What a run does instead of sleeping."""
        self.scene.pauses.append(seconds)

    def refuse(self, verb: str, reply: str, *arguments: str, times: int | None = None) -> None:
        """Let the server say this to `verb`, of these arguments or of any, so many times or always."""
        refusals = 0

        def hook(command: str, argument: str) -> str | None:
            nonlocal refusals
            is_meant = command == verb and (not arguments or argument in arguments)
            if not is_meant or (times is not None and refusals >= times):
                return None
            refusals += 1
            return reply

        self.partner.hook = hook

    def said(self, verb: str) -> list[str]:
        """The commands of this verb that clients have sent, with their arguments."""
        return [command for command in self.partner.commands if command.partition(" ")[0] == verb]
