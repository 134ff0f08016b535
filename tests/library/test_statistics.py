"""The page of a file's downloads."""

import unittest
from collections import Counter
from datetime import date, timedelta
from io import BytesIO

import transaction
from zope.component import getUtility

from librarian.countries.interfaces import ICountrySet
from librarian.library.interfaces import ILibraryFileAliasSet
from librarian.library.views.statistics import HEIGHT, WIDTH, Plot, round_up
from tests.support.layers import Functional
from tests.support.servers.in_process import browser, request

TODAY = date(2026, 3, 1)


class Plots(unittest.TestCase):
    def test_the_top_of_the_scale(self) -> None:
        for number, top in ((0, 1), (1, 1), (2, 2), (3, 5), (6, 10), (10, 10), (11, 20), (4999, 5000)):
            self.assertEqual(round_up(number), top)

    def test_bars_stay_inside(self) -> None:
        for length in (1, 30, 90, 3660):
            days = Counter({TODAY - timedelta(days=number): number + 1 for number in range(4000)})
            plot = Plot.of(days, TODAY, length)
            self.assertEqual(len(plot.bars), min(length, 4000))
            for bar in plot.bars:
                self.assertGreaterEqual(min(bar.x, bar.y), 0)
                self.assertLessEqual(bar.x + bar.width, WIDTH + 1)
                self.assertAlmostEqual(bar.y + bar.height, HEIGHT, delta=0.02)

    def test_without_downloads(self) -> None:
        plot = Plot.of(Counter(), TODAY, 90)
        self.assertEqual((plot.bars, plot.top, plot.first), ([], 1, date(2025, 12, 2)))


class Page(unittest.TestCase):
    layer = Functional

    def setUp(self) -> None:
        aliases = getUtility(ILibraryFileAliasSet)
        self.alias = aliases.create("<b>&.txt", 1, BytesIO(b"x"), "text/plain")
        self.secret = aliases.create("s.txt", 1, BytesIO(b"x"), "text/plain", restricted=True)
        brazil = getUtility(ICountrySet)["BR"]
        self.alias.updateDownloadCount(date(2026, 2, 27), brazil, 1200)
        self.alias.updateDownloadCount(date(2026, 2, 28), None, 34)
        transaction.commit()
        self.url = f"/files/{self.alias.id}/+stats"

    def test_the_plot_and_the_table(self) -> None:
        page = browser().get(self.url)
        self.assertIn("<strong>1,234</strong> times, last\nyesterday", page.text)
        titles = [rect.title.text for rect in page.html.find_all("rect")]
        self.assertEqual(titles, ["2026-02-27: 1200", "2026-02-28: 34"])
        rows = [[cell.text for cell in row.find_all("td")] for row in page.html.tbody.find_all("tr")]
        self.assertEqual(rows, [["Brazil", "1,200"], ["not known", "34"]])
        self.assertEqual(page.html.h1.text.strip(), "<b>&.txt")

    def test_fewer_days(self) -> None:
        page = browser().get(f"{self.url}?days=2")
        self.assertEqual(len(page.html.find_all("rect")), 1)

    def test_malformed_numbers_of_days(self) -> None:
        for text in ("0", "-1", "x", "3661", "9" * 100, "%FF", "%D9%A3", ""):
            answer = request("GET", f"http://localhost:6543{self.url}?days={text}", {"Accept": "text/html"})
            self.assertEqual(answer.status_int, 400, text)

    def test_counts_of_a_restricted_file_need_permission(self) -> None:
        answer = request("GET", f"http://localhost:6543/files/{self.secret.id}/+stats")
        self.assertEqual(answer.status_int, 401)
