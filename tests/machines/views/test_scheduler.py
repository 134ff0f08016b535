"""Malformed and hostile requests to the scheduler and to the pages: a 4xx with a reason, always."""

import json
import unittest
from typing import Any

import transaction
from zope.component import getUtility

from librarian.machines.scheduler.interfaces import ICodeImportScheduler
from tests.support.documents.machines import bearer, new_import
from tests.support.layers import Functional
from tests.support.servers import in_process as http

MACHINES = "http://localhost:6543/machines"


class SchedulerViews(unittest.TestCase):
    layer = Functional

    def setUp(self) -> None:
        new_import("gimp")
        scheduler = getUtility(ICodeImportScheduler)
        self.job = scheduler.getJobForMachine("apollo", 1).id
        scheduler.startJob(self.job, "apollo")
        transaction.commit()
        self.token = bearer("importd")

    def send(self, method: str, path: str, body: Any = b"", **headers: str) -> Any:
        """The answer; its status is checked to be below 500."""
        if not isinstance(body, bytes):
            body = json.dumps(body).encode()
            headers.setdefault("Content_Type", "application/json")
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        named.setdefault("Authorization", self.token)
        answer = http.request(method, MACHINES + path, named, body)
        self.assertLess(answer.status_int, 500, path)
        return answer

    def refused(self, status: int, method: str, path: str, body: Any = b"", **headers: str) -> str:
        answer = self.send(method, path, body, **headers)
        self.assertEqual(answer.status_int, status, (path, body, answer.text))
        reason: str = answer.json["error"]
        return reason

    def test_bodies_that_are_not_json_objects(self) -> None:
        path = "/+scheduler/apollo/poll"
        for body in (b"", b"x", b"[]", b'"x"', b"\xff", b"{", b"[" * 100_000, b"null"):
            with self.subTest(body=body[:10]):
                self.refused(400, "POST", path, body, Content_Type="application/json")

    def test_fields_of_the_wrong_kind(self) -> None:
        for path, fields in (
            ("/+scheduler/apollo/poll", {}),
            ("/+scheduler/apollo/poll", {"worker_limit": "2"}),
            ("/+scheduler/apollo/poll", {"worker_limit": True}),
            ("/+scheduler/apollo/poll", {"worker_limit": -1}),
            ("/+scheduler/apollo/poll", {"worker_limit": 10**9}),
            ("/+scheduler/apollo/poll", {"worker_limit": 1.5}),
            (f"/+scheduler/apollo/jobs/{self.job}/heartbeat", {}),
            (f"/+scheduler/apollo/jobs/{self.job}/heartbeat", {"logtail": ["x"]}),
            (f"/+scheduler/apollo/jobs/{self.job}/finish", {"status": "GREAT"}),
            (f"/+scheduler/apollo/jobs/{self.job}/finish", {"status": None}),
            ("/+scheduler/+watch", {"reachable_seconds": "long"}),
            ("/apollo", {}),
            ("/apollo", {"state": "ASLEEP"}),
            ("/apollo", {"state": ["OFFLINE"]}),
            ("/apollo", {"state": "OFFLINE", "message": {"a": 1}}),
            ("/+imports", {"name": 5, "rcs_type": "GIT", "url": "https://example.com/x"}),
            ("/+imports", {"name": "x", "rcs_type": "GIT", "url": 7}),
            ("/+imports", {"name": "x", "rcs_type": "GIT", "url": "https://e.org/x", "private": "perhaps"}),
            ("/+imports/gimp", {"do": "explode"}),
            ("/+imports/gimp", {"do": ["kill"]}),
            ("/+imports/gimp", {"update_interval": 5}),
        ):
            with self.subTest(path=path, fields=fields):
                self.refused(400, "POST", path, fields)

    def test_what_an_import_cannot_be(self) -> None:
        for path, fields in (
            ("/+imports", {"name": "x"}),
            ("/+imports", {"name": "x", "rcs_type": "CVS", "url": "https://example.com/x"}),
            ("/+imports", {"name": "x", "rcs_type": [], "url": "https://example.com/x"}),
            ("/+imports", {"name": "../x", "rcs_type": "GIT", "url": "https://example.com/x"}),
            ("/+imports", {"name": "x", "rcs_type": "GIT", "url": "file:etc"}),
            ("/+imports/gimp", {"update_interval": "1e400d"}),
            ("/+imports/gimp", {"update_interval": "nand"}),
            ("/+imports/gimp", {"review_status": "GOOD"}),
            ("/+imports/gimp", {"review_status": 20}),
            ("/+imports/gimp", {"owner": ""}),
        ):
            with self.subTest(path=path, fields=fields):
                self.refused(422, "POST", path, fields)

    def test_numbers_of_forms_and_of_json(self) -> None:
        poll, watch = "/+scheduler/apollo/poll", "/+scheduler/+watch"
        form, json = "application/x-www-form-urlencoded", "application/json"
        for path, body, kind, status in (
            (poll, b"worker_limit=2", form, 200),
            (poll, b'{"worker_limit": 2.0}', json, 200),
            (watch, b"reachable_seconds=5", form, 200),
            (watch, b'{"reachable_seconds": 5.0}', json, 200),
            (watch, b"", form, 200),
            (poll, b"worker_limit=", form, 400),
            (poll, b"worker_limit=2.5", form, 400),
            (poll, b"worker_limit=%D9%A2", form, 400),
            (poll, b"worker_limit=" + b"9" * 5000, form, 400),
            (poll, b'{"worker_limit": 1e300}', json, 400),
            (poll, b'{"worker_limit": 1e400}', json, 400),
            (watch, b"reachable_seconds=-5", form, 400),
            (watch, b'{"reachable_seconds": "5"}', json, 400),
        ):
            with self.subTest(path=path, body=body[:40]):
                self.assertEqual(self.send("POST", path, body, Content_Type=kind).status_int, status)

    def test_an_import_is_private_however_true_is_said(self) -> None:
        self.token = bearer("anna", "admins")
        fields = {"rcs_type": "GIT", "url": "https://example.com/x"}
        for number, said in enumerate((True, "true", "on", "yes", "1", 1, False, "no")):
            made = self.send("POST", "/+imports", {**fields, "name": f"x{number}", "private": said}).json
            self.assertEqual(made["private"], said not in (False, "no"), said)

    def test_an_interval_left_empty_stays_what_it_is(self) -> None:
        self.token = bearer("anna", "admins")
        self.send("POST", "/+imports/gimp", {"do": "edit", "update_interval": "90m"})
        body, form = b"do=edit&update_interval=&url=https://e.org/x", "application/x-www-form-urlencoded"
        answer = self.send("POST", "/+imports/gimp", body, Content_Type=form, Accept="application/json")
        self.assertEqual((answer.status_int, answer.json["update_interval_seconds"]), (200, 90 * 60))

    def test_bad_host_names(self) -> None:
        for name in ("%3Cscript%3E", "a..b", "-a", "a%2Fb", "%00", "%FF", "+x", "a" * 64, "a%0Ab"):
            with self.subTest(name=name):
                self.assertIn(
                    self.send("POST", f"/+scheduler/{name}/arrive", {"a": 1}).status_int, (400, 404)
                )
        self.assertEqual(self.send("GET", "").json["machines"][0]["hostname"], "apollo")
        self.assertEqual(len(self.send("GET", "").json["machines"]), 1)

    def test_unknown_paths(self) -> None:
        for method, path in (
            ("GET", "/unknown"),
            ("GET", "/+imports/nothing"),
            ("GET", "/+imports/gimp/+files/other.bundle"),
            ("GET", "/+imports/gimp/+files/gimp.bundle"),
            ("GET", "/+scheduler/apollo"),
            ("POST", "/+scheduler/apollo/dance"),
            ("POST", "/+scheduler/apollo/jobs/0/start"),
            ("POST", "/+scheduler/apollo/jobs/-1/start"),
            ("POST", "/+scheduler/apollo/jobs/99999999999999999999/start"),
            ("POST", "/+scheduler/unknown/leave"),
        ):
            with self.subTest(path=path):
                self.refused(404, method, path)
        self.refused(405, "GET", "/+scheduler/apollo/poll")

    def test_jobs_of_another_machine(self) -> None:
        for hostname, job in (("boris", self.job), ("apollo", 12345)):
            for verb, body in (
                ("start", {}),
                ("heartbeat", {"logtail": ""}),
                ("finish", {"status": "KILLED"}),
            ):
                with self.subTest(verb=verb, job=job):
                    self.refused(410, "POST", f"/+scheduler/{hostname}/jobs/{job}/{verb}", body)
            for kind in ("log", "bundle"):
                self.refused(410, "PUT", f"/+scheduler/{hostname}/jobs/{job}/{kind}", b"bytes")
            self.refused(410, "GET", f"/+scheduler/{hostname}/jobs/{job}/bundle")

    def test_a_job_starts_once(self) -> None:
        reason = self.refused(409, "POST", f"/+scheduler/apollo/jobs/{self.job}/start", {"a": 1})
        self.assertEqual(reason, f"State of job {self.job} was RUNNING.")

    def test_files_without_length_or_content(self) -> None:
        path = f"/+scheduler/apollo/jobs/{self.job}/log"
        self.refused(400, "PUT", path, b"")
        # Without a Content-Length some servers take a truncated body for a complete one.
        self.refused(411, "PUT", path, b"bytes", Transfer_Encoding="chunked")

    def test_a_form_that_is_too_large(self) -> None:
        self.refused(413, "POST", "/apollo", b"state=OFFLINE&message=" + b"x" * (1 << 20))

    def test_a_token_of_another_scope_or_none(self) -> None:
        self.assertEqual(self.send("GET", "/apollo", Authorization="Bearer nonsense").status_int, 401)
        self.assertEqual(self.send("GET", "/apollo", Authorization=bearer("joe")).status_int, 403)

    def test_control_characters_in_a_message_are_removed(self) -> None:
        self.token = bearer("anna", "admins")
        answer = self.send(
            "POST", "/apollo", {"state": "QUIESCING", "message": "a\r\nb\x00\u202ec" + "x" * 900}
        ).json
        self.assertEqual(answer["message"][:5], "a b c")
        self.assertEqual(len(answer["message"]), 500)

    def test_a_daemon_may_not_set_a_pinned_machine_online(self) -> None:
        self.send("POST", "/apollo", {"state": "OFFLINE"}, Authorization=bearer("anna", "admins"))
        reason = self.refused(409, "POST", "/apollo", {"state": "ONLINE"})
        self.assertEqual(reason, "Machine apollo was set OFFLINE by anna; only a person sets it online.")
