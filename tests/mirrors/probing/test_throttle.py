"""When a host is given up."""

import unittest

from librarian.mirrors.probing.interfaces import ConnectionSkipped
from librarian.mirrors.probing.transport.throttle import HostLedger


class HostLedgerTable(unittest.TestCase):
    def test_table(self) -> None:
        for requests, timeouts, skipped in (
            (30, 10, False),  # three requests to a time-out are just bearable
            (30, 11, True),
            (29, 29, False),  # too few to judge
            (60, 20, False),
            (60, 21, True),
            (30, 0, False),
            (30, 30, True),
        ):
            ledger = HostLedger()
            for _ in range(requests):
                ledger.requests["host"] += 1
            for _ in range(timeouts):
                ledger.timed_out("host")
            self.assertEqual(ledger.should_skip("host"), skipped, (requests, timeouts))

    def test_refusal_is_not_counted_and_concerns_one_host(self) -> None:
        ledger = HostLedger()
        for _ in range(30):
            ledger.admit("slow", "http://slow/")
            ledger.timed_out("slow")
        with self.assertRaises(ConnectionSkipped) as caught:
            ledger.admit("slow", "http://slow/x")
        self.assertEqual(caught.exception.url, "http://slow/x")
        self.assertEqual(ledger.requests["slow"], 30)
        ledger.admit("swift", "http://swift/")
