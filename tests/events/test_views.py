"""The pages of webhooks, as browsers and programs see them."""

import json
import unittest
from contextlib import ExitStack
from typing import Any

from librarian.events.delivering import Deliverer
from librarian.library.operations import Library
from librarian.testing.application import request
from tests.support.documents.library import keep
from tests.support.documents.people import bearer, person
from tests.support.layers import Functional
from tests.support.receivers import receiving

APP = "http://localhost:6543"


class ViewTests(unittest.TestCase):
    layer = Functional

    def setUp(self) -> None:
        stack = ExitStack()
        self.addCleanup(stack.close)
        self.receiver = stack.enter_context(receiving())
        self.library = Library()
        self.keys = {name: bearer(person(name), "webhooks") for name in ("ada", "bob")}
        made = self.make("ada", url="https://example.com/hook", kinds=["file.added"])
        self.url = f"/webhooks/{made.json['id']}"

    def ask(self, line: str, who: str = "ada", accept: str = "application/json", **fields: Any) -> Any:
        method, _, path = line.partition(" ")
        headers = {"Accept": accept, "Authorization": self.keys[who]}
        body = b""
        if fields:
            headers["Content-Type"], body = "application/json", json.dumps(fields).encode()
        return request(method, APP + path, headers, body)

    def make(self, who: str, **fields: Any) -> Any:
        return self.ask("POST /webhooks", who, **fields)

    def test_made_and_listed(self) -> None:
        (found,) = self.ask("GET /webhooks").json["webhooks"]
        self.assertEqual((found["kinds"], found["owner"]), (["file.added"], "person:ada"))
        self.assertEqual(self.ask("GET /webhooks", "bob").json["webhooks"], [])

    def test_another_persons(self) -> None:
        for line in (f"GET {self.url}", f"DELETE {self.url}", f"POST {self.url}/+rotate"):
            self.assertEqual(self.ask(line, "bob").status_int, 403, line)

    def test_what_is_refused(self) -> None:
        self.assertEqual(self.make("ada", url="gopher://x").status_int, 400)
        self.assertEqual(self.make("ada", url="https://x/", kinds=["x"]).status_int, 400)
        self.assertEqual(self.make("ada", url="https://x/", kinds=[[]]).status_int, 400)
        self.assertEqual(self.make("ada", url="https://x/", everything=True).status_int, 403)
        self.assertEqual(self.ask("GET /webhooks/none").status_int, 404)
        self.assertEqual(self.ask(f"POST {self.url}/+resend", id="msg_none").status_int, 404)

    def test_what_would_have_no_effect_is_refused(self) -> None:
        self.assertEqual(self.make("ada", url="https://x/", kindz=["file.added"]).status_int, 400)
        self.assertEqual(self.make("ada", url="https://x/", everything="true").status_int, 403)
        self.assertEqual(self.make("ada", url="https://x/", everything="perhaps").status_int, 400)

    def test_a_form_that_names_a_kind_in_each_field(self) -> None:
        headers = {
            "Authorization": self.keys["ada"],
            "Accept": "application/json",
            "Content-Type": "application/x-www-form-urlencoded",
        }
        form = b"url=https://x/&kinds=file.added&kinds=file.deleted"
        self.assertEqual(request("POST", f"{APP}/webhooks", headers, form).status_int, 201)
        told = self.ask("GET /webhooks").json["kinds"].values()
        self.assertEqual([text for text in told if text != " ".join(text.split())], [])
        kinds = [found["kinds"] for found in self.ask("GET /webhooks").json["webhooks"]]
        self.assertIn(["file.added", "file.deleted"], kinds)

    def test_deliveries_are_shown_and_sent_again(self) -> None:
        keep(self.library, b"<b>", "poem.txt", owner="person:ada")
        self.assertEqual(Deliverer().run(), 1)
        (found,) = self.ask(f"GET {self.url}").json["deliveries"]
        self.assertEqual((found["state"], found["status"], found["answer"]), ("delivered", 200, "thanks"))
        self.assertEqual(self.ask(f"POST {self.url}/+resend", id=found["id"]).status_int, 200)
        self.assertEqual(Deliverer().run(), 1)
        self.assertEqual(len({headers["webhook-id"] for _url, headers, _body in self.receiver.got}), 1)

    def test_pages(self) -> None:
        keep(self.library, b"<b>", "poem.txt", owner="person:ada")
        Deliverer().run()
        for path, word in (("/webhooks", "https://example.com/hook"), (self.url, "delivered")):
            answer = self.ask(f"GET {path}", accept="text/html")
            self.assertEqual(answer.status_int, 200)
            self.assertIn(word, answer.text)

    def test_rotated_and_removed(self) -> None:
        self.assertRegex(self.ask(f"POST {self.url}/+rotate").json["secret"], "^whsec_")
        self.assertEqual(self.ask(f"DELETE {self.url}").status_int, 200)
        self.assertEqual(self.ask(f"GET {self.url}").status_int, 404)
