"""All parts of a cluster: the nodes start together, and before them, together, what they need."""

import json
import os
import re
import shutil
import signal
import sys
from contextlib import suppress
from pathlib import Path

from tools.cluster import database, front, nodes, storage
from tools.cluster.layout import ENDPOINTS, NODES, SHOWN, Layout
from tools.cluster.parts import Part

RUN = "from librarian.commands.main import main; main()"


def missing() -> str | None:
    """What has to be installed before a cluster can be started, in one line; or None."""
    wanted = {package for program, package in storage.PROGRAMS.items() if shutil.which(program) is None}
    if database.program("initdb") is None:
        wanted.add("postgresql")
    if front.program() is None:
        wanted.add("nginx-light")
    if wanted:
        return f"system packages are missing; on Debian: apt-get install {' '.join(sorted(wanted))}"
    if os.geteuid() == 0 and database.unprivileged() is None:
        return "PostgreSQL does not run as root, and there is no user postgres to run it as"
    return None


class Cluster:
    """Parts by their names; each may be killed and started again while the others go on."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self.parts: dict[str, Part] = {}

    @property
    def admin_password(self) -> str:
        """That of the first start."""
        path = self.layout.folder / "admin-password"
        return path.read_text() if path.exists() else ""

    def start(self) -> None:
        """Write what the parts read, and start those that do not run.  Raises NoCluster."""
        if not self.parts:
            self.parts = {part.name: part for part in self._made()}
        needed = [part for part in self.parts.values() if part.name not in NODES]
        for together in (needed, [self.parts[name] for name in NODES]):
            starting = [part for part in together if not part.pids]
            for part in starting:
                part.spawn()
            self._note()
            for part in starting:
                part.wait()

    def stop(self) -> None:
        """End all parts in order, last one first."""
        for part in reversed(self.parts.values()):
            part.stop()
        self._note()

    def kill(self) -> None:
        """End all parts at once."""
        for part in reversed(self.parts.values()):
            part.kill()

    def mend(self) -> list[str]:
        """Start what has ended, without waiting for it; the names."""
        ended = [part for part in self.parts.values() if not part.pids]
        for part in ended:
            part.spawn()
        if ended:
            self._note()
        return [part.name for part in ended]

    def _note(self) -> None:
        """Write down which processes there are, for those who have to clean up."""
        running = {part.name: part.pids[0] for part in self.parts.values() if part.pids}
        (self.layout.folder / "processes.json").write_text(json.dumps(running))

    def _made(self) -> list[Part]:
        layout, ports = self.layout, self.layout.ports
        tree = [] if layout.database_uri else [self._postgresql()]
        nginx = [
            str(front.program()),
            "-p",
            str(layout.new_folder("nginx")),
            "-c",
            str(front.write_files(layout)),
        ]
        shown = tuple(ports[name] for name in SHOWN)
        last = Part("nginx", nginx, layout.folder / "nginx", shown, ending=signal.SIGQUIT)
        return [*tree, *self._swift(), *map(self._node, NODES), last]

    def _postgresql(self) -> Part:
        layout, folder = self.layout, self.layout.new_folder("postgresql")
        rights = database.rights(folder)
        if rights:
            layout.folder.chmod(0o711)
        database.initialize(folder)
        port = layout.ports["postgresql"]
        return Part(
            "postgresql",
            database.command_of(folder, port),
            folder,
            (port,),
            rights=rights,
            ending=signal.SIGINT,  # "fast": without waiting for clients
            after=lambda: database.make_database(layout),
        )

    def _swift(self) -> list[Part]:
        ports, folder = self.layout.ports, self.layout.new_folder("swift")
        storage.write_files(folder, ports)
        made = [
            Part(name, storage.command_of(name, folder, ports[name]), folder, (ports[name],))
            for name in storage.PARTS
        ]
        url = f"http://127.0.0.1:{ports['proxy']}"
        made[-1].after = lambda: storage.make_bucket(url, "librarian")
        return made

    def _node(self, name: str) -> Part:
        ini = nodes.write_ini(self.layout, name)
        path = os.pathsep.join(path for path in sys.path if path)
        return Part(
            name,
            [sys.executable, "-c", RUN, "serve", str(ini)],
            ini.parent,
            tuple(self.layout.ports[f"{name}/{endpoint}"] for endpoint in ENDPOINTS),
            environ={**storage.credentials(), "PYTHONPATH": path, "PYTHONUNBUFFERED": "1"},
            health=f"{self.layout.node_urls(name)['ops']}health",
            after=lambda: self._keep_password(ini.parent / f"{name}.log"),
        )

    def _keep_password(self, log: Path) -> None:
        """The first node told it once, among its output."""
        with suppress(OSError):
            told = re.search(r"^admin password +(\S+)$", log.read_text(errors="replace"), re.MULTILINE)
            path = self.layout.folder / "admin-password"
            if told and not path.exists():
                path.touch(0o600)
                path.write_text(told[1])
