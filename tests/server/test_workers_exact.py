"""What is counted is counted over all workers: uses of a link, failed log-ins."""

import math
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from urllib.parse import urlsplit

import urllib3

from tests.server.support import connected, read_to_end
from tests.server.test_workers import WithWorkers

CLIENTS = 12


class Exact(WithWorkers):
    def statuses(self, ask: Callable[[int], bytes]) -> Counter[bytes]:
        """The statuses of what CLIENTS clients are answered who ask at the same time, on new connections."""
        answers: list[bytes] = []
        together = threading.Barrier(CLIENTS)

        def client(number: int) -> None:
            together.wait()
            answers.append(ask(number))

        threads = [threading.Thread(target=client, args=(number,)) for number in range(CLIENTS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return Counter(answer.split()[1] for answer in answers)

    def ask(self, endpoint: str, target: str, host: str, *fields: str) -> bytes:
        """The answer to a GET on a connection of its own."""
        lines = (f"GET {target} HTTP/1.1", f"Host: {host}", "Connection: close", *fields, "", "")
        with closing(connected(self.server.urls[endpoint])) as connection:
            connection.sendall("\r\n".join(lines).encode())
            return read_to_end(connection)

    def test_a_link_for_five_downloads_is_good_for_five(self) -> None:
        answer = self.server.request("PUT", self.server.urls["restricted-upload"] + "a.txt", body=b"secret")
        made = self.server.command("tokens", "create", str(answer.json()["id"]), "--uses", "5")
        link = urlsplit(made.stdout.strip())
        target = f"{link.path}?{link.query}"
        found = self.statuses(lambda number: self.ask("public", target, link.netloc, f"User-Agent: {number}"))
        self.assertEqual(found, {b"200": 5, b"404": CLIENTS - 5})

    def test_wrong_passwords_at_the_same_time_get_five_tries(self) -> None:
        wrong = urllib3.make_headers(basic_auth="admin:a wrong password")["authorization"]
        host, begun = urlsplit(self.server.urls["app"]).netloc, time.monotonic()
        found = self.statuses(lambda number: self.ask("app", "/people/", host, f"Authorization: {wrong}"))
        # One more is let in after a pause of 1 s, the next 2 s later, and so on.
        more = math.floor(math.log2(time.monotonic() - begun + 1))
        self.assertEqual(found[b"401"] + found[b"429"], CLIENTS)
        self.assertIn(found[b"401"], range(5, 5 + more + 1))
