"""Countries, and what addresses do not tell."""

import unittest

from zope.component import getUtility

from librarian.countries.interfaces import ICountrySet, NoSuchCountry
from tests.support.layers import Functional


class Countries(unittest.TestCase):
    layer = Functional

    def setUp(self) -> None:
        self.countries = getUtility(ICountrySet)

    def test_by_code(self) -> None:
        self.assertEqual(self.countries["BR"].name, "Brazil")
        self.assertEqual(self.countries["af"].iso3166code3, "AFG")
        self.assertEqual(self.countries["IO"].name, "British Indian Ocean Territory")

    def test_what_is_no_code(self) -> None:
        for code in ("XX", "", "BRA", "B R", None, 7):
            with self.assertRaises(NoSuchCountry):
                self.countries[code]

    def test_all_by_name(self) -> None:
        names = [country.name for country in self.countries]
        self.assertEqual(names, sorted(names))
        self.assertGreater(len(names), 240)

    def test_without_a_database_no_address_has_a_country(self) -> None:
        self.assertIsNone(self.countries.getByAddress("193.0.0.1"))
