"""Clients of a library by its utilities, each in a process of its own, which may be killed.

`Process` starts one.  What it is to do comes as JSON, and it works until there is a file ``stop``.  An error
that no answer stands for ends the process and leaves the operation unanswered, as the engine may be gone.
"""

import json
import os
import random
import sys
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any

import transaction
from zope.component import getUtility

from librarian.commands.common.site import opened_site
from librarian.interfaces import IClock
from librarian.library.interfaces import CannotUndelete
from librarian.library.opening import open_library
from librarian.library.operations import Library
from librarian.library.service import BoundAlias
from librarian.machines.enums import CodeImportMachineOfflineReason
from librarian.machines.interfaces import ICodeImportMachineSet, WrongMachineState
from librarian.mirrors.runs.probe_run import ProbeRun
from librarian.mirrors.runs.summary import RunOptions
from librarian.mirrors.service.subtree import mirrors_subtree
from librarian.naming.interfaces import NamingError, NotThere
from librarian.naming.service import NamedTree
from librarian.people.credentials.person_principal import PersonPrincipal
from librarian.people.interfaces import IPersonSet
from librarian.security.interfaces import IPrincipal
from librarian.security.principals import SYSTEM
from librarian.tracker.interfaces import NoSuchFile, Overwrite
from librarian.tracker.service import Tracker
from librarian.tree.interfaces import ITree
from tests.histories.history import Answer, Pen
from tests.histories.models import CONFLICT, DONE, NOT_THERE
from tests.histories.over_http import NAMES, STATES, Subject, digest_of, new_bytes, next_version
from tests.support.servers.forked import begin

KINDS = ("file", "tracker", "tree", "machine", "claim")


class Client:
    """Does one operation after the other; `name` is its own among all that ever were."""

    def __init__(self, name: str, pen: Pen, chance: random.Random) -> None:
        self._name = name
        self._pen = pen
        self._chance = chance
        self._runs: dict[str, ProbeRun] = {}  # one for each mirror, as a run gives back all that it claimed

    def work_on(self, subject: Subject) -> None:
        """One operation by chance."""
        getattr(self, f"do_{subject.kind}")(subject)

    def _write(self, subject: Subject, ask: Callable[[], Answer], *what: Any) -> None:
        self._pen.do(subject.kind, subject.name, what, ask)

    def do_file(self, file: Subject) -> None:
        """Read it, delete it, bring it back."""
        library, digest = Library(), file.facts["digest"]
        verb = self._chance.choice(("read", "delete", "undelete"))

        def read() -> Answer:
            record = library.alias(int(file.name))
            if record.content is None:
                return NOT_THERE
            with library.open(record) as opened:
                return ("bytes", digest_of(opened.read()))

        def change() -> Answer:
            def work() -> None:
                getattr(library, verb)(library.alias(int(file.name)))

            try:
                in_transaction(work)
            except CannotUndelete:
                return CONFLICT
            return DONE

        self._write(file, partial(in_transaction, read) if verb == "read" else change, verb, digest)

    def do_tracker(self, name: Subject) -> None:
        """Read it, put a version, delete some."""
        tracker, version, data = Tracker(), next_version(self._chance), new_bytes(self._chance)

        def read() -> Answer:
            found = tracker.get(name.name)
            with tracker.open(found) as file:
                return (found.version, digest_of(file.read()))

        def put() -> Answer:
            with open_library():
                found, _is_ours = tracker.put(name.name, BytesIO(data), version, Overwrite.UNLESS_OLDER)
                return (found.version, found.sha256[:32])

        def delete() -> Answer:
            with open_library():
                tracker.delete(name.name, version)
                return DONE

        def ask(work: Callable[[], Answer]) -> Answer:
            try:
                return work()
            except NoSuchFile:
                return NOT_THERE

        verb = self._chance.choice(("read", "put", "delete"))
        if verb == "read":
            self._write(name, lambda: ask(lambda: in_transaction(read)), "read")
        elif verb == "put":
            self._write(name, lambda: ask(put), "put", version, digest_of(data))
        else:
            self._write(name, lambda: ask(delete), "delete", version)

    def do_tree(self, folder: Subject) -> None:
        """List the folder, put, move or delete a name."""
        name, target = self._chance.sample(NAMES, 2)
        data, path = new_bytes(self._chance), f"{folder.name}/{name}"

        def read() -> Answer:
            listing = NamedTree()[folder.name].listing()
            return ("names", sorted((each.name, each.etag.strip('"')[:32]) for each in listing))

        def put() -> Answer:
            library = Library()
            stored = library.store.put(BytesIO(data))

            def work() -> Answer:
                record = library.add(stored, name, "application/octet-stream", restricted=False)
                inside = NamedTree()[folder.name]
                answer = ("created",) if inside.get(name) is None else ("replaced",)
                inside.put(name, BoundAlias(record, library))
                return answer

            answer: Answer = in_transaction(work)
            return answer

        def change(work: Callable[[], Any]) -> Answer:
            try:
                in_transaction(work)
            except NotThere:
                return NOT_THERE
            except NamingError:
                return CONFLICT
            return DONE

        verb = self._chance.choice(("read", "put", "move", "delete"))
        if verb == "read":
            self._write(folder, partial(in_transaction, read), "read")
        elif verb == "put":
            self._write(folder, put, "put", name, digest_of(data), None)
        elif verb == "delete":
            self._write(folder, lambda: change(lambda: NamedTree().remove(path)), "delete", name)
        else:
            target_path = f"{folder.name}/{target}"
            self._write(
                folder, lambda: change(lambda: NamedTree().move(path, target_path)), "move", name, target
            )

    def do_machine(self, machine: Subject) -> None:
        """Set its state."""
        wanted = self._chance.choice(STATES)

        def work() -> None:
            found = getUtility(ICodeImportMachineSet)[machine.name]
            if wanted == "OFFLINE":
                found.setOffline(CodeImportMachineOfflineReason.STOPPED)
            else:
                (found.setOnline if wanted == "ONLINE" else found.setQuiescing)("test")

        def change() -> Answer:
            try:
                in_transaction(work, as_admin())
            except WrongMachineState:
                return CONFLICT
            return DONE

        self._write(machine, change, "set", wanted)

    def do_claim(self, mirror: Subject) -> None:
        """Claim the mirror as a run of the prober does, or give it back, or see whose it is."""
        run = self._runs.get(mirror.name) or ProbeRun(RunOptions(force=True))
        clock, token = getUtility(IClock), run._claimer.token

        def claim() -> Answer:
            before = clock.now().timestamp()
            plans = run._in_tree(lambda: run._claim([mirror.facts["id"]]))
            return ("claimed" if plans else "refused", before, clock.now().timestamp())

        def give_back() -> Answer:
            run._in_tree(run._release)
            return DONE

        def read() -> Answer:
            found = mirrors_subtree().mirrors_by_id[mirror.facts["id"]].claim
            return ("token", "" if found is None else found[0])

        verb = self._chance.choice(("claim", "claim", "release", "read"))
        if verb == "read":
            self._write(mirror, partial(in_transaction, read), "read")
        elif verb == "claim":
            self._runs[mirror.name] = run
            self._write(mirror, claim, "claim", token, self._name)
        elif mirror.name in self._runs:
            del self._runs[mirror.name]
            self._write(mirror, give_back, "release", token)


def in_transaction(work: Callable[[], Any], principal: IPrincipal = SYSTEM) -> Any:
    """`work` in a session and a transaction of its own."""
    with open_library(principal):
        return getUtility(ITree).run(work)


def as_admin() -> IPrincipal:
    """The administrator: only a person sets a machine online that a person has set offline."""
    with open_library():
        return PersonPrincipal(getUtility(IPersonSet).getByName("admin"))


class Process:
    """A client in a process of its own."""

    def __init__(
        self, name: str, ini: Path, folder: Path, subjects: list[Subject], first: str, seed: int
    ) -> None:
        """`first` is a line of Python to begin with."""
        self.name = name
        self._folder = folder
        facts = [asdict(subject) for subject in subjects if subject.kind in KINDS]
        orders = json.dumps(
            {"name": name, "ini": str(ini), "folder": str(folder), "subjects": facts, "seed": seed}
        )
        self._log = (folder / f"{name}.log").open("w")
        self._process: Any = begin(
            f"{first}\nfrom tests.histories.by_utilities import main; main()",
            orders,
            output=self._log,
            errors=self._log,
            environ=os.environ,
        )

    def has_ended(self) -> bool:
        """Whether it runs no more."""
        return self._process.poll() is not None

    def kill(self) -> None:
        """SIGKILL, and wait for the end."""
        self._process.kill()
        self.wait()

    def wait(self) -> int:
        """Wait until it has ended; its exit status."""
        status: int = self._process.wait(120)
        self._log.close()
        return status

    def told(self) -> str:
        """The end of what it has written to its standard error."""
        return (self._folder / f"{self.name}.log").read_text()[-2000:]


def main() -> None:
    """One process: work until the file ``stop`` is there."""
    orders = json.loads(sys.argv[1])
    folder, chance = Path(orders["folder"]), random.Random(orders["seed"])
    pen = Pen(folder / f"{orders['name']}.history", orders["name"])
    subjects = [Subject(**each) for each in orders["subjects"]]
    try:
        with opened_site(orders["ini"]):
            client = Client(orders["name"], pen, chance)
            transaction.abort()
            while not (folder / "stop").exists():
                client.work_on(chance.choice(subjects))
    finally:
        for subject in subjects:
            if subject.kind == "claim":
                pen.begin("claim", subject.name, ("died", orders["name"]))
