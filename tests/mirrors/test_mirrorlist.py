"""Lists for programs."""

import unittest
from collections import Counter
from datetime import UTC, datetime
from xml.etree import ElementTree as ET

from librarian.countries.service import CountrySet
from librarian.mirrors.continents import continent_of
from librarian.mirrors.views.metalink import MetalinkFile, as_metalink
from librarian.mirrors.views.mirrorlist import ListedMirror, as_lines, order_for

BRAZIL = [ListedMirror("http://b.example/u", "BR", 9.0), ListedMirror("http://a.example/u", "BR", 2.0)]
ELSEWHERE = [ListedMirror("http://c.example/u", "DE", 1.0), ListedMirror("http://d.example/u", "FR")]
MAIN = "http://main.example/u"


class Order(unittest.TestCase):
    def urls(self, country: str | None, main: str | None = MAIN) -> list[str]:
        listed = as_lines(order_for(country, BRAZIL + ELSEWHERE, main)).splitlines()
        return [url.removeprefix("http://")[0] for url in listed]

    def test_own_country_by_score_then_main(self) -> None:
        self.assertEqual(self.urls("BR"), ["a", "b", "m"])

    def test_a_country_without_gets_its_continent(self) -> None:
        self.assertEqual(self.urls("AR"), ["a", "b", "m"])
        self.assertEqual(self.urls("PL"), ["c", "d", "m"])

    def test_a_continent_without_gets_all_unscored_last(self) -> None:
        self.assertEqual(self.urls("JP"), ["c", "a", "b", "d", "m"])
        self.assertEqual(self.urls(None, None), ["c", "a", "b", "d"])

    def test_nothing_at_all(self) -> None:
        self.assertEqual(as_lines(order_for("BR", [], None)), "")


class Continents(unittest.TestCase):
    def test_every_country_is_on_one_continent(self) -> None:
        found = {country.iso3166code2: continent_of(country.iso3166code2) for country in CountrySet()}
        self.assertEqual([code for code, continent in found.items() if continent is None], [])
        sizes = Counter(found.values())
        self.assertEqual(dict(sizes), {"AF": 58, "AN": 5, "AS": 52, "EU": 52, "NA": 41, "OC": 27, "SA": 14})

    def test_what_is_no_country_is_on_no_continent(self) -> None:
        self.assertEqual([continent_of(code) for code in ("XX", "", None)], [None, None, None])


class Metalink(unittest.TestCase):
    def test_document(self) -> None:
        file = MetalinkFile("pool/main/a/a&b_1~2.deb", 42, "ab" * 32, datetime(2026, 1, 10, tzinfo=UTC))
        root = ET.fromstring(as_metalink(file, order_for("BR", BRAZIL, MAIN)))  # noqa: S314  # our own output
        name = "{urn:ietf:params:xml:ns:metalink}"
        [element] = root.findall(f"{name}file")
        self.assertEqual(element.get("name"), "a&b_1~2.deb")
        self.assertEqual(element.findtext(f"{name}size"), "42")
        self.assertEqual([each.get("type") for each in element.findall(f"{name}hash")], ["sha-256"])
        urls = [(url.get("location"), url.get("priority"), url.text) for url in element.findall(f"{name}url")]
        self.assertEqual(
            urls,
            [
                ("br", "1", "http://a.example/u/pool/main/a/a&b_1~2.deb"),
                ("br", "2", "http://b.example/u/pool/main/a/a&b_1~2.deb"),
                (None, "3", "http://main.example/u/pool/main/a/a&b_1~2.deb"),
            ],
        )
