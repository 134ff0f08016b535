"""The objects that the clients of a round work on."""

import json
import random
from urllib.parse import urlsplit

from tests.histories.history import Pen
from tests.histories.models import DONE
from tests.histories.over_http import Browser, Subject, digest_of, new_bytes
from tests.support.servers.librarian import ServerProcess

LIMIT = 100  # bytes of a person's quota

_MAKE = """
import json, sys
from zope.component import getUtility
from librarian.machines.interfaces import ICodeImportMachineSet
from librarian.mirrors.enums import MirrorContent
from librarian.mirrors.interfaces import IDistributionSet
from librarian.people.interfaces import IPersonSet
from tests.support.mirrors.sample import add_mirror

def make(wanted):
    for hostname in wanted["machines"]:
        getUtility(ICodeImportMachineSet).new(hostname)
    owner = getUtility(IPersonSet).getByName("admin")
    distributions = getUtility(IDistributionSet)
    found = [each for each in distributions if each.name == "histories"]
    distribution = found[0] if found else distributions.new("histories", "Histories", "http://localhost:1/")
    for name in wanted["mirrors"]:
        url = f"http://localhost:1/{name}/"
        mirror = add_mirror(distribution, owner, name, url, content=MirrorContent.RELEASE)
        print(json.dumps([name, mirror.id]))

make(json.loads(WANTED))
transaction.commit()
"""


class Maker:
    """Makes objects, and writes into their histories how they began; `number` is that of the round."""

    def __init__(
        self, browser: Browser, server: ServerProcess, pen: Pen, number: int, chance: random.Random
    ) -> None:
        self._browser = browser
        self._server = server
        self._pen = pen
        self._number = number
        self._chance = chance

    def make(self, kinds: dict[str, int]) -> list[Subject]:
        """So many objects of each kind."""
        made = [
            getattr(self, f"_{kind}")(f"{kind}-{self._number}-{each}")
            for kind, count in kinds.items()
            if kind not in ("machine", "claim")
            for each in range(count)
        ]
        return made + self._machines_and_mirrors(kinds.get("machine", 0), kinds.get("claim", 0))

    def _begin(self, subject: Subject, *what: object) -> Subject:
        self._pen.do(subject.kind, subject.name, what, lambda: DONE)
        return subject

    def _file(self, name: str) -> Subject:
        data = new_bytes(self._chance)
        reply = self._browser.ask("PUT", "upload", f"/{name}", data)
        facts = {"path": urlsplit(reply.json["url"]).path, "digest": digest_of(data)}
        return self._begin(Subject("file", str(reply.json["id"]), facts), "create", facts["digest"])

    def _tracker(self, name: str) -> Subject:
        return Subject("tracker", f"/histories/{name}")

    def _link(self, name: str) -> Subject:
        data = new_bytes(self._chance)
        reply = self._browser.ask("PUT", "restricted-upload", f"/{name}", data)
        file_id, uses = reply.json["id"], self._chance.randrange(3, 40)
        made = self._browser.ask("POST", "app", f"/files/{file_id}/+tokens", {"uses": uses})
        link = urlsplit(made.json["url"])
        told = self._browser.ask("GET", "app", f"/files/{file_id}/+tokens", Accept="application/json").json
        facts = {
            "id": file_id,
            "token": (told["tokens"] if isinstance(told, dict) else told)[0]["id"],
            "host": link.netloc,
            "target": f"{link.path}?{link.query}",
            "digest": digest_of(data),
        }
        return self._begin(Subject("link", name, facts), "make", uses)

    def _quota(self, name: str) -> Subject:
        self._browser.ask("POST", "app", "/people", {"name": name, "display_name": name})
        made = self._browser.ask(
            "POST", "app", f"/people/{name}/+tokens", {"title": "t", "scopes": ["upload"]}
        )
        self._browser.ask("POST", "app", f"/people/{name}/+quota", {"bytes": LIMIT})
        return self._begin(Subject("quota", name, {"token": made.json["token"]}), "limit", LIMIT)

    def _tree(self, name: str) -> Subject:
        self._browser.ask("PUT", "app", f"/tree/{name}/").told(s201=DONE)
        return Subject("tree", f"/{name}")

    def _machines_and_mirrors(self, machines: int, mirrors: int) -> list[Subject]:
        if not machines + mirrors:
            return []
        wanted = {
            "machines": [f"machine-{self._number}-{each}" for each in range(machines)],
            "mirrors": [f"mirror-{self._number}-{each}" for each in range(mirrors)],
        }
        told = self._server.component(f"WANTED = {json.dumps(wanted)!r}\n{_MAKE}")
        made = [json.loads(line) for line in told.splitlines()]
        return [
            *(Subject("machine", name) for name in wanted["machines"]),
            *(Subject("claim", name, {"id": mirror_id}) for name, mirror_id in made),
        ]
