"""The outbox and the worker: nothing lost, nothing told that was aborted, in order, with patience."""

import base64
import hashlib
import hmac
import json
import unittest
from contextlib import ExitStack
from datetime import datetime
from threading import Barrier, Thread
from typing import Any
from unittest.mock import patch

import transaction
from zope.component import getUtility
from zope.event import notify
from zope.security.interfaces import Unauthorized
from zope.security.proxy import removeSecurityProxy

from librarian.events.delivering import Deliverer
from librarian.events.interfaces import HookAnswer, InvalidWebhook, IWebhookSet, NewWebhook, NoSuchDelivery
from librarian.events.model import EventsSubtree, OutboxEntry
from librarian.library.operations import Library
from librarian.machines.events import MachineOffline
from librarian.people.interfaces import ITeamSet
from librarian.security.interaction import acting_as
from librarian.security.interfaces import IPrincipal
from librarian.security.principals import ANONYMOUS, SYSTEM
from tests.support.documents.library import keep
from tests.support.documents.people import person
from tests.support.layers import Functional
from tests.support.receivers import receiving

URL = "https://example.com/hook"
DOWN = HookAnswer(None, "connection refused")


class WebhookTests(unittest.TestCase):
    layer = Functional

    def setUp(self) -> None:
        self.library = Library()
        self.tree = self.library.tree
        self.clock = self.layer.world.clock
        stack = ExitStack()
        self.addCleanup(stack.close)
        self.receiver = stack.enter_context(receiving())
        stack.enter_context(self.tree.session())
        stack.enter_context(acting_as(SYSTEM))

    def hook(self, *kinds: str, everything: bool = True) -> NewWebhook:
        hooks = getUtility(IWebhookSet)
        new = (hooks.newForEverything if everything else hooks.new)(URL, kinds)
        transaction.commit()
        return new

    def deliver(self) -> int:
        return Deliverer().run()

    def states(self, hook: NewWebhook) -> list[tuple[str, str]]:
        transaction.begin()
        return [(each["type"], each["state"]) for each in getUtility(IWebhookSet)[hook.id].deliveries()]

    def waiting_in_outbox(self) -> int:
        transaction.begin()
        return sum(len(queue) for queue in self.tree.subtree("events").queues)

    def test_nothing_is_written_where_no_webhook_wants_it(self) -> None:
        keep(self.library, b"poem", "poem.txt")
        self.hook("file.deleted")
        keep(self.library, b"poem", "copy.txt")
        self.assertEqual(self.waiting_in_outbox(), 0)

    def test_ten_webhooks_cost_one_entry_and_no_object(self) -> None:
        for _ in range(10):
            self.hook()
        keep(self.library, b"poem", "poem.txt")
        transaction.begin()
        (found,) = (entry for queue in self.tree.subtree("events").queues for entry in queue.values())
        self.assertIs(type(found), tuple)
        self.assertEqual(self.deliver(), 10)

    def test_an_entry_of_an_older_database_is_delivered(self) -> None:
        new = self.hook()
        facts = {"type": "file.added", "subject": "files/7", "time": "2026-03-01", "data": "{}"}
        self.tree.run(
            lambda: self.tree.subtree("events").queues[0].update({5: OutboxEntry("msg_x", facts, [new.id])})
        )
        self.assertEqual(self.deliver(), 1)
        self.assertEqual(self.receiver.got[0][1]["webhook-id"], "msg_x")

    def test_what_was_aborted_is_not_told(self) -> None:
        self.hook()
        number = keep(self.library, b"poem", "poem.txt")
        transaction.begin()
        self.library.delete(self.library.alias(number))
        transaction.abort()
        self.assertEqual(self.deliver(), 1)
        self.assertEqual(json.loads(self.receiver.got[0][2])["type"], "file.added")

    def hook_of(self, principal: IPrincipal, everything: bool) -> NewWebhook:
        with acting_as(principal):
            return self.hook(everything=everything)

    def test_who_is_no_administrator_any_more_is_not_told_of_everything(self) -> None:
        ada, _root = person("ada", "admins"), person("root", "admins")
        self.hook_of(ada, everything=True)
        removeSecurityProxy(getUtility(ITeamSet)["admins"]).removeMember(ada.person)
        transaction.commit()
        keep(self.library, b"poem", "poem.txt")
        self.assertEqual(self.deliver(), 0)
        self.assertEqual(self.receiver.got, [])
        removeSecurityProxy(getUtility(ITeamSet)["admins"]).addMember(ada.person)
        transaction.commit()
        keep(self.library, b"song", "song.txt")
        self.assertEqual(self.deliver(), 1)

    def test_who_was_disabled_is_told_nothing(self) -> None:
        ada = person("ada")
        self.hook_of(ada, everything=False)
        keep(self.library, b"poem", "poem.txt", owner=ada.id)
        ada.person.disable()
        transaction.commit()
        self.assertEqual(self.deliver(), 0)
        self.assertEqual(self.receiver.got, [])

    def test_the_body_and_its_signature(self) -> None:
        new = self.hook()
        number = keep(self.library, b"poem", "poem.txt")
        self.deliver()
        ((url, headers, body),) = self.receiver.got
        event = json.loads(body)
        self.assertEqual((url, event["specversion"], event["subject"]), (URL, "1.0", f"files/{number}"))
        self.assertEqual((event["data"]["id"], event["id"]), (number, headers["webhook-id"]))
        signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
        key = base64.b64decode(new.secret.removeprefix("whsec_"))
        wanted = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
        self.assertEqual(headers["webhook-signature"], f"v1,{wanted}")

    def test_the_lease_lasts_as_long_as_a_full_outbox_takes(self) -> None:
        self.hook()
        keep(self.library, b"poem", "poem.txt")
        distributed, others = EventsSubtree.distribute, list[bool]()

        def slowly(subtree: EventsSubtree, most: int, now: datetime, may_be_told: Any) -> int:
            others.append(subtree.take("another", self.clock.now(), self.clock.now()))
            self.clock.move(minutes=2)
            return distributed(subtree, most, now, may_be_told) if len(others) > 3 else 1

        with patch.object(EventsSubtree, "distribute", slowly):
            self.assertEqual(self.deliver(), 1)
        self.assertEqual(set(others), {False})

    def test_rotation_signs_with_both_for_a_day(self) -> None:
        new = self.hook()
        getUtility(IWebhookSet)[new.id].rotate()
        transaction.commit()
        keep(self.library, b"poem", "poem.txt")
        self.deliver()
        self.clock.move(days=2)
        keep(self.library, b"song", "song.txt")
        self.deliver()
        signatures = [headers["webhook-signature"].split() for _url, headers, _body in self.receiver.got]
        self.assertEqual([len(each) for each in signatures], [2, 1])

    def test_a_receiver_that_is_down_for_an_hour_gets_each_event_once_and_in_order(self) -> None:
        hook = self.hook()
        number = keep(self.library, b"poem", "poem.txt")
        self.library.delete(self.library.alias(number))
        transaction.commit()
        self.receiver.answer = DOWN
        for _ in range(60):
            self.deliver()
            self.clock.move(minutes=1)
        self.assertLess(len(self.receiver.got), 15)  # it is not hammered
        self.receiver.answer, self.receiver.got = HookAnswer(204, ""), []
        for _ in range(120):
            self.deliver()
            self.clock.move(minutes=1)
        told = [json.loads(body)["type"] for _url, _headers, body in self.receiver.got]
        self.assertEqual(told, ["file.added", "file.deleted"])
        self.assertEqual(self.states(hook), [("file.deleted", "delivered"), ("file.added", "delivered")])

    def test_an_event_that_is_refused_holds_up_its_file_alone(self) -> None:
        self.hook()
        bad = keep(self.library, b"bad", "bad.txt")
        self.library.delete(self.library.alias(bad))
        transaction.commit()
        keep(self.library, b"good", "good.txt")

        def judge(url: str, body: bytes) -> HookAnswer:
            return HookAnswer(422, "no") if f"files/{bad}".encode() in body else HookAnswer(200, "")

        self.receiver.judge = judge
        self.assertEqual(self.deliver(), 1)
        self.assertEqual(len(self.receiver.got), 2)  # the deletion waits behind the refused one

    def test_after_three_days_it_is_parked_and_may_be_sent_again(self) -> None:
        hook = self.hook()
        keep(self.library, b"poem", "poem.txt")
        self.receiver.answer = HookAnswer(500, "out of order")
        for _ in range(80):
            self.deliver()
            self.clock.move(hours=1)
        self.assertEqual(self.states(hook), [("file.added", "parked")])
        transaction.begin()
        (parked,) = getUtility(IWebhookSet)[hook.id].deliveries()
        self.assertEqual((parked["status"], parked["answer"]), (500, "out of order"))
        tries, self.receiver.answer = len(self.receiver.got), HookAnswer(200, "")
        self.deliver()
        self.assertEqual(len(self.receiver.got), tries)
        getUtility(IWebhookSet)[hook.id].resend(parked["id"])
        transaction.commit()
        self.assertEqual(self.deliver(), 1)
        with self.assertRaises(NoSuchDelivery):
            getUtility(IWebhookSet)[hook.id].resend("msg_unknown")

    def test_a_worker_that_dies_before_its_commit_repeats_the_event_with_its_id(self) -> None:
        self.hook()
        keep(self.library, b"poem", "poem.txt")
        answered = []

        def die(url: str, body: bytes) -> HookAnswer:
            answered.append(url)
            raise KeyboardInterrupt

        judge, self.receiver.judge = self.receiver.judge, die
        with self.assertRaises(KeyboardInterrupt):
            self.deliver()
        self.receiver.judge = judge
        self.assertEqual(self.deliver(), 1)
        ids = [headers["webhook-id"] for _url, headers, _body in self.receiver.got]
        self.assertEqual((len(ids), len(set(ids)), len(answered)), (2, 1, 1))

    def test_of_two_workers_one_works(self) -> None:
        self.hook()
        keep(self.library, b"poem", "poem.txt")
        others = []

        def judge(url: str, body: bytes) -> HookAnswer:
            others.append(Deliverer().run())  # another one, while this one sends
            return HookAnswer(200, "")

        self.receiver.judge = judge
        self.assertEqual(self.deliver(), 1)
        self.assertEqual((others, len(self.receiver.got)), ([0], 1))

    def test_many_uploads_at_once_are_each_told_once(self) -> None:
        self.hook("file.added")
        gate = Barrier(8)
        subjects: list[int] = []

        def upload(name: int) -> None:
            gate.wait()
            library = Library()
            subjects.extend(keep(library, b"%d %d" % (name, n), f"{name}-{n}.txt") for n in range(5))

        threads = [Thread(target=upload, args=(name,)) for name in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(self.deliver(), 40)
        told = [json.loads(body)["data"]["id"] for _url, _headers, body in self.receiver.got]
        self.assertEqual(sorted(told), sorted(subjects))

    def test_who_may(self) -> None:
        ada, bob = person("ada"), person("bob")
        with acting_as(ada):
            hook = self.hook(everything=False)
            with self.assertRaises(Unauthorized):
                self.hook()
        with acting_as(bob):
            self.assertEqual([each.id for each in getUtility(IWebhookSet)], [])
            with self.assertRaises(Unauthorized):
                getUtility(IWebhookSet)[hook.id].rotate()
        with acting_as(ANONYMOUS), self.assertRaises(Unauthorized):
            self.hook(everything=False)
        keep(self.library, b"hers", "hers.txt", owner="person:ada")
        keep(self.library, b"his", "his.txt", owner="person:bob")
        notify(MachineOffline("apollo", "WATCHDOG"))
        transaction.commit()
        self.assertEqual(self.deliver(), 1)
        self.assertEqual(json.loads(self.receiver.got[0][2])["data"]["filename"], "hers.txt")

    def test_what_is_no_webhook(self) -> None:
        for url in ("ftp://x/", "http:///x", "http://[", "http://a b/", "http://u:p@h/", "x" * 3000):
            with self.subTest(url), self.assertRaises(InvalidWebhook):
                getUtility(IWebhookSet).new(url)
        with self.assertRaises(InvalidWebhook):
            getUtility(IWebhookSet).new(URL, ["file.stolen"])

    def test_a_webhook_that_was_removed_is_forgotten(self) -> None:
        hook = self.hook()
        keep(self.library, b"poem", "poem.txt")
        getUtility(IWebhookSet)[hook.id].remove()
        transaction.commit()
        self.assertEqual((self.deliver(), self.receiver.got), (0, []))
        self.assertEqual(self.waiting_in_outbox(), 0)
