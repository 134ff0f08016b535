"""ZCML for tests: put into an empty global registry, and the old one put back."""

import unittest
from typing import Any

from zope.component import getGlobalSiteManager
from zope.configuration import xmlconfig
from zope.security.checker import _checkers
from zope.security.management import getSecurityPolicy, setSecurityPolicy

import librarian
from librarian import security

NAMESPACE = "http://namespaces.zope.org/zope"


class ConfiguredTestCase(unittest.TestCase):
    """Each test starts with the ZCML of the security package and leaves the registry as it was."""

    def setUp(self) -> None:
        self.start_afresh()
        self.context = xmlconfig.file("meta.zcml", librarian)
        xmlconfig.file("configure.zcml", security, context=self.context)

    def start_afresh(self) -> None:
        registry = getGlobalSiteManager()
        registered, checkers = dict(vars(registry)), dict(_checkers)
        self.addCleanup(vars(registry).update, registered)
        self.addCleanup(_checkers.update, checkers)
        self.addCleanup(_checkers.clear)
        self.addCleanup(setSecurityPolicy, getSecurityPolicy())
        type(registry).__init__(registry, "base")

    def configure(self, text: str) -> Any:
        xmlconfig.string(f'<configure xmlns="{NAMESPACE}">{text}</configure>', self.context)
