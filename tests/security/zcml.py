"""ZCML for tests: put into an empty global registry, and the old one put back."""

import unittest
from datetime import UTC, datetime, timedelta
from typing import Any

import transaction
from ZODB.DB import DB
from ZODB.DemoStorage import DemoStorage
from zope.component import getGlobalSiteManager
from zope.configuration import xmlconfig
from zope.interface import implementer

import librarian
from librarian import people, security
from librarian.interfaces import IClock, ISettings
from librarian.security.interaction import acting_as
from librarian.security.interfaces import IPrincipal
from librarian.security.principals import SYSTEM
from librarian.settings import Settings
from librarian.tree.interfaces import ITree
from librarian.tree.service import Tree
from tests.support.empty import empty_registry

NAMESPACE = "http://namespaces.zope.org/zope"


@implementer(IClock)
class HandMovedClock:
    """Stands still until a test moves it."""

    def __init__(self) -> None:
        self.time = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)

    def now(self) -> datetime:
        return self.time

    def monotonic(self) -> float:
        return self.time.timestamp()

    def move(self, **spans: float) -> None:
        self.time += timedelta(**spans)


class ConfiguredTestCase(unittest.TestCase):
    """Each test starts with the ZCML of the security package and leaves the registry as it was."""

    def setUp(self) -> None:
        self.start_afresh()
        self.context = xmlconfig.file("meta.zcml", librarian)
        xmlconfig.file("configure.zcml", security, context=self.context)

    def start_afresh(self) -> None:
        self.enterContext(empty_registry())

    def configure(self, text: str) -> Any:
        xmlconfig.string(f'<configure xmlns="{NAMESPACE}">{text}</configure>', self.context)


class TreeTestCase(ConfiguredTestCase):
    """With a new tree in memory, open in this thread, in which SYSTEM acts.

    The storage resolves conflicts, as one on disk does."""

    def setUp(self) -> None:
        super().setUp()
        xmlconfig.file("configure.zcml", people, context=self.context)
        registry = getGlobalSiteManager()
        self.clock, self.tree = HandMovedClock(), Tree(DB(DemoStorage()))
        self.addCleanup(self.tree.close)
        registry.registerUtility(self.clock, IClock)
        registry.registerUtility(Settings({}), ISettings)
        registry.registerUtility(self.tree, ITree)
        self.tree.bring_up_to_date()
        self.enterContext(self.tree.session())
        self.act_as(SYSTEM)
        self.addCleanup(transaction.abort)

    def act_as(self, principal: IPrincipal) -> None:
        """From here to the end of the test."""
        self.enterContext(acting_as(principal))
