"""Whether the mirrors or the prober's own network failed: whole runs."""

from typing import Any

from tests.mirrors.runs.test_probe_run import RunCase
from tests.support.mirrors.sample import add_mirror
from tests.support.outbox import outbox
from tests.support.world import overlay


class Guard(RunCase):
    failures = 1

    def dead(self, count: int) -> list[Any]:
        return [
            add_mirror(self.ubuntu, self.owner, f"dead{n}", f"http://127.0.2.{n + 1}:9/")
            for n in range(count)
        ]

    def test_when_most_fail_at_once_it_is_the_prober(self) -> None:
        good, dead = self.add("good"), self.dead(9)
        summary = self.probe()
        self.assertTrue(summary.prober_offline)
        self.assertTrue(all(mirror.enabled for mirror in (good, *dead)))
        self.assertEqual(len(outbox), 0)
        self.assertEqual(dead[0].last_probe_record.verdict, "inconclusive")
        self.assertEqual(good.last_probe_record.verdict, "good")
        self.clock.move(hours=1)
        self.assertEqual(self.probe().probed, 9)  # not the good one

    def test_a_few_dead_ones_are_dead(self) -> None:
        good, dead = [self.add(f"good{n}") for n in range(6)], self.dead(4)
        summary = self.probe()
        self.assertFalse(summary.prober_offline)
        self.assertEqual({mirror.enabled for mirror in good}, {True})
        self.assertEqual({mirror.enabled for mirror in dead}, {False})

    def test_those_that_were_down_before_do_not_count(self) -> None:
        good = [self.add(f"good{n}") for n in range(5)]
        for mirror in self.dead(6):
            mirror.disableAndNotifyOwner()
        fresh = add_mirror(self.ubuntu, self.owner, "fresh", "http://127.0.2.99:9/")
        self.assertFalse(self.probe(force=True).prober_offline)
        self.assertEqual((fresh.enabled, {mirror.enabled for mirror in good}), (False, {True}))

    def test_when_no_server_answers_only_control_urls_can_tell(self) -> None:
        for mirror in self.dead(6):
            mirror.disableAndNotifyOwner()
        fresh = add_mirror(self.ubuntu, self.owner, "fresh", "http://127.0.2.99:9/")
        self.assertTrue(self.probe(force=True).prober_offline)
        self.assertTrue(fresh.enabled)
        with overlay(f"[librarian.mirrors]\ncontrol_urls = {self.farm.add({}).url}/\n"):
            self.assertFalse(self.probe(force=True).prober_offline)
            self.assertTrue(fresh.enabled)  # after an outage it takes a second look
            self.assertFalse(self.probe(force=True).prober_offline)
        self.assertFalse(fresh.enabled)

    def test_two_that_are_silent_together(self) -> None:
        dead = self.dead(2)
        self.assertTrue(self.probe().prober_offline)
        self.assertEqual({mirror.enabled for mirror in dead}, {True})

    def test_mirrors_that_answer_404_do_not_count_as_unreachable(self) -> None:
        for n in range(5):
            self.add(f"empty{n}", self.farm.add({}))
        self.assertFalse(self.probe().prober_offline)

    def test_control_urls_tell_for_small_runs(self) -> None:
        [dead] = self.dead(1)
        with overlay("[librarian.mirrors]\ncontrol_urls = http://127.0.3.1:9/\n"):
            self.assertTrue(self.probe().prober_offline)
        self.assertTrue(dead.enabled)
        control = self.farm.add({}).url
        with overlay(f"[librarian.mirrors]\ncontrol_urls = http://127.0.3.1:9/ {control}/\n"):
            self.assertFalse(self.probe(force=True).prober_offline)
            self.assertTrue(dead.enabled)  # after an outage it takes a second look
            self.assertFalse(self.probe(force=True).prober_offline)
        self.assertFalse(dead.enabled)
