"""Every registered view has its place in the world that is attacked."""

from tests.attacks.world import AttackedWorld, kinds_of_context, targets

#: What wants a secret, a field or a name beside its path.
NOT_ALONE = {
    "Download",
    "DownloadRoot +drop",
    "IDistribution +metalink",
    "IDistributionMirror +log",
    "IFileHolder +files",
}


class Places(AttackedWorld):
    def test_each_kind_of_context_has_one(self) -> None:
        self.assertEqual(kinds_of_context() - set(self.places), set())

    def test_views_are_reached_there(self) -> None:
        """A place that is not found would be attacked in vain: who may do everything sees each view."""
        missed = set()
        for name, url, methods in targets(self.places):
            if "GET" in methods or not methods:
                answer = self.ask("GET", url, self.admin)
                self.assertLess(answer.status_int, 500, (name, answer.text))
                if answer.status_int in (404, 405):
                    missed.add(name)
        self.assertEqual(missed, NOT_ALONE)
