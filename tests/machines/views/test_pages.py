"""The pages in a real browser, as each of four kinds of visitor."""

import unittest
from typing import Any, ClassVar
from urllib.parse import quote

from tests.machines.site import PASSWORD, MachinesSite
from tests.support.browser import Browser
from tests.support.layers import Chromium

HOSTILE = '<script>document.title = "pwned"</script><img src=x onerror=\'document.title="pwned"\'>'


class Pages(Chromium):
    """A server, the browser, three machines and an import."""

    site: ClassVar[MachinesSite]

    @classmethod
    def setUp(cls) -> None:
        Pages.site = site = MachinesSite()
        for hostname in ("carol", "apollo", "boris"):
            site.daemon.post(f"/+scheduler/{hostname}/arrive")
        site.daemon.post("/+scheduler/boris/leave")
        fields = {"name": "gimp", "rcs_type": "GIT", "url": "https://example.com/gimp.git"}
        site.daemon.post("/+imports", **fields, review_status="REVIEWED")
        job = site.daemon.post("/+scheduler/apollo/poll", worker_limit=1)["job"]["job_id"]
        site.daemon.post(f"/+scheduler/apollo/jobs/{job}/start")
        site.daemon.post(f"/+scheduler/apollo/jobs/{job}/heartbeat", logtail=f"Fetching {HOSTILE}")

    @classmethod
    def tearDown(cls) -> None:
        Pages.site.remove()


class WithBrowser(unittest.TestCase):
    layer = Pages

    def setUp(self) -> None:
        self.browser: Browser = Pages.browser
        self.site = Pages.site

    def log_in(self, name: str, path: str = "/machines") -> None:
        self.browser.open(f"{self.site.app}/+login?next={quote(path)}")
        self.browser.fill("name", name)
        self.browser.fill("password", PASSWORD)
        self.browser.press("Log in")

    def open(self, path: str) -> None:
        self.browser.open(self.site.app + path)

    def machine(self, hostname: str) -> dict[str, Any]:
        return self.site.daemon.get(f"/{hostname}")


class Visitors(WithBrowser):
    def test_an_anonymous_visitor_is_sent_to_the_log_in_page(self) -> None:
        for path in ("/machines", "/machines/apollo", "/machines/+imports/gimp"):
            self.open(path)
            self.assertIn("/+login", self.browser.url)
            self.assertNotIn("apollo", self.browser.text("main"))

    def test_a_person_without_permission_sees_nothing(self) -> None:
        self.log_in("joe")
        for path in ("/machines", "/machines/apollo", "/machines/+imports", "/machines/+imports/gimp"):
            self.open(path)
            self.assertEqual(self.browser.text("h1"), "Forbidden")
            self.assertNotIn("apollo", self.browser.text("main"))

    def test_a_member_of_vcs_imports_sees_all_and_changes_nothing(self) -> None:
        self.log_in("david")
        self.assertEqual(
            self.browser.texts("#machines tbody tr:not(.job) td:first-child"), ["apollo", "boris", "carol"]
        )
        states = self.browser.texts("#machines tbody tr:not(.job) td:nth-child(2)")
        self.assertEqual(states[:2], ["Online (1 job running)", "Offline"])
        self.assertEqual(self.browser.texts("#machines tbody tr:not(.job) td:nth-child(5)")[1], "Stopped")
        self.browser.follow("apollo")
        self.assertEqual(self.browser.text("h1"), "apollo: Online")
        self.assertIn("Fetching", self.browser.text(".logtail"))
        self.assertEqual(self.browser.texts("main form"), [])
        self.open("/machines/+imports/gimp")
        self.assertEqual((self.browser.text("h1"), self.browser.texts("main form")), ("gimp: Reviewed", []))

    def test_the_board_and_a_machine_update_by_themselves(self) -> None:
        """Without being loaded again, and with the focus where it was."""
        apollo = self.machine("apollo")["current_jobs"][0]["id"]
        for path in ("/machines", "/machines/apollo"):
            self.log_in("david", path)
            self.browser.run("window.mark = 'same page'; document.querySelector('.logtail').focus()")
            log = f"Fetching {HOSTILE}\nstep of {path}\n"
            self.site.daemon.post(f"/+scheduler/apollo/jobs/{apollo}/heartbeat", logtail=log)
            self.browser.wait_for(".logtail", f"step of {path}")
            self.assertEqual(self.browser.run("return window.mark"), "same page")
            self.assertEqual(self.browser.run("return document.activeElement.className"), "logtail")

    def test_a_board_says_that_it_is_not_up_to_date(self) -> None:
        self.log_in("david", "/machines")
        self.browser.run("window.fetch = () => Promise.reject(new TypeError('away'))")
        self.browser.wait_for("main [role=status]", "the server does not answer")
        self.assertIn("apollo", self.browser.text("#board"))

    def test_a_forged_form_is_refused(self) -> None:
        self.log_in("david")
        status = self.browser.run(
            "const answer = new XMLHttpRequest(); answer.open('POST', '/machines/apollo', false);"
            "answer.setRequestHeader('Content-Type', 'application/json');"
            'answer.send(\'{"state": "OFFLINE"}\'); return answer.status'
        )
        self.assertEqual((status, self.machine("apollo")["state"]), (403, "ONLINE"))

    def test_an_administrator_makes_every_transition(self) -> None:
        self.log_in("anna", "/machines/carol")
        self.browser.fill("message", "kernel update")
        self.browser.press("Set Quiescing")
        self.assertEqual(self.browser.text("h1"), "carol: Quiescing")
        self.assertEqual(self.browser.texts("#change button"), ["Set Online", "Set Offline"])
        self.browser.press("Set Offline")
        self.assertEqual(self.browser.text("h1"), "carol: Offline")
        self.assertEqual(self.browser.texts("#change button"), ["Set Online"])
        self.browser.press("Set Online")
        self.assertEqual(self.browser.texts("#change button"), ["Set Offline", "Set Quiescing"])
        newest = self.browser.texts("#events li")
        self.assertIn("Online by anna", newest[0])
        self.assertIn("Offline reason: STOPPED", newest[1])
        self.assertIn("Message: kernel update", newest[2])


class Forms(WithBrowser):
    def test_a_form_from_a_stale_page_gets_a_notice(self) -> None:
        self.log_in("anna", "/machines/boris")
        self.assertEqual(self.browser.text("h1"), "boris: Offline")
        self.site.daemon.post("/+scheduler/boris/arrive")
        self.browser.press("Set Online")
        self.assertEqual(self.browser.text("h1"), "boris: Online")
        notice = self.browser.text("main [role=alert]")
        self.assertTrue(notice.startswith("boris is Online by now and was not set Online."), notice)
        self.assertNotIn("anna", self.browser.text("#events li:first-child"))
        self.site.daemon.post("/+scheduler/boris/leave")

    def test_hostile_text_is_escaped(self) -> None:
        self.log_in("anna", "/machines/carol")
        self.browser.fill("message", HOSTILE)
        self.browser.press("Set Quiescing")
        for path in ("/machines/carol", "/machines", "/machines/apollo"):
            self.open(path)
            self.assertIn("<script>", self.browser.text("main"))
            self.assertNotIn("pwned", str(self.browser.run("return document.title")))
        self.open("/machines/carol")
        self.browser.press("Set Online")

    def test_an_administrator_cordons_a_machine_that_is_offline_and_lifts_it(self) -> None:
        self.log_in("anna", "/machines/boris")
        self.browser.fill("reason", "smells of smoke")
        self.browser.press("Cordon")
        self.assertIn("smells of smoke", self.browser.text("dl"))
        self.assertNotIn("Set Online", self.browser.text("main"))
        self.assertTrue(self.site.daemon.post("/+scheduler/boris/arrive")["cordoned"])
        self.open("/machines")
        self.assertIn("smells of smoke (anna)", self.browser.text("#machines"))
        self.open("/machines/boris")
        self.browser.press("Lift the cordon")
        self.assertIn("Set Online", self.browser.text("#change"))
        self.assertIsNone(self.machine("boris")["cordon"])

    def test_an_offline_machine_is_forgotten(self) -> None:
        self.site.daemon.post("/+scheduler/zeppelin/arrive")
        self.log_in("anna", "/machines/zeppelin")
        self.assertNotIn("Forget this machine", self.browser.text("main"))
        self.browser.press("Set Offline")
        self.browser.press("Forget this machine")
        self.assertNotIn("zeppelin", self.browser.text("#machines"))

    def test_an_import_is_added_requested_and_deleted(self) -> None:
        self.log_in("anna", "/machines/+imports")
        self.browser.fill("name", "emacs")
        self.browser.fill("url", "ext::sh -c id")
        self.browser.press("Add")
        self.assertIn("Printable ASCII", self.browser.text("#url-error"))
        self.browser.fill("url", "https://example.com/emacs.git")
        self.browser.press("Add")
        self.assertEqual(self.browser.text("h1"), "emacs: Reviewed")
        self.browser.press("Import now")
        self.assertIn("requested by anna", self.browser.text("main"))
        self.browser.fill("update_interval", "no time")
        self.browser.press("Save")
        self.assertIn("'no time' is no duration", self.browser.text("#update_interval-error"))
        self.browser.press("Delete the import")
        self.assertEqual(self.browser.texts("#imports tbody td:first-child a"), ["gimp"])
