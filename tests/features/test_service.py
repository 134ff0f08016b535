"""Which rule decides a flag: through the requests of several people, and on its own."""

import unittest
from io import BytesIO

import transaction
from zope.component import getUtility

from librarian.features.current import FeatureController, feature, features
from librarian.features.interfaces import DEFAULT_SCOPE, FeatureRule, IFeatureRules
from librarian.library.interfaces import ILibraryFileAliasSet
from tests.support.documents.library import bug_report, published
from tests.support.documents.people import basic, person
from tests.support.layers import Functional
from tests.support.servers.in_process import request

FLAG = "publicrestrictedlibrarian"
PASSWORD = "seven green bottles"


class Requests(unittest.TestCase):
    layer = Functional

    def set(self, value: str, scope: str, priority: int) -> None:
        getUtility(IFeatureRules).set(FeatureRule(FLAG, scope, priority, value))
        transaction.commit()

    def test_the_highest_rule_whose_scope_a_request_is_in_decides(self) -> None:
        person("ann", "mirror-admins", password=PASSWORD)
        person("bob", password=PASSWORD)
        aliases = getUtility(ILibraryFileAliasSet)
        secret = aliases.create("a.txt", 4, BytesIO(b"data"), "text/plain", restricted=True)
        transaction.commit()

        def statuses() -> list[int]:
            """Anonymous, Ann and Bob: 200 if the file is streamed, 302 if a link to it is given."""
            headers = [{}, *({"Authorization": basic(name, PASSWORD)} for name in ("ann", "bob"))]
            with published(bug_report({"a.txt": secret.id})) as url:
                return [request("GET", f"{url}/+files/a.txt", each).status_int for each in headers]

        self.assertEqual(statuses(), [200, 200, 200])
        self.set("on", "team:mirror-admins", 5)
        self.assertEqual(statuses(), [200, 302, 200])
        self.set("on", "person:bob", 5)
        self.set("off", DEFAULT_SCOPE, 9)
        self.assertEqual(statuses(), [200, 200, 200])
        self.set("off", DEFAULT_SCOPE, 1)
        self.assertEqual(statuses(), [200, 302, 302])
        self.set("on", "team:no-such-team", 99)
        self.assertEqual(statuses(), [200, 302, 302])


class Questions(unittest.TestCase):
    def test_a_request_reads_the_rules_once_and_keeps_its_answers(self) -> None:
        rules = [FeatureRule("a", DEFAULT_SCOPE, 0, "on")]
        reads: list[int] = []

        def read() -> list[FeatureRule]:
            reads.append(len(rules))
            return list(rules)

        self.assertIsNone(feature("a"))
        with features(FeatureController(read, lambda scope: scope == "team:x")):
            self.assertEqual((feature("a"), feature("b")), ("on", None))
            rules.append(FeatureRule("a", "team:x", 5, "off"))
            self.assertEqual(feature("a"), "on")
        self.assertEqual(reads, [1])
        with features(FeatureController(read, lambda scope: scope == "team:x")):
            self.assertEqual(feature("a"), "off")
        self.assertIsNone(feature("a"))
