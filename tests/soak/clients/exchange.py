"""A partner with an FTP server, to which the spool exports, and who takes what has arrived."""

import time

from librarian.clock import SystemClock
from librarian.spool import FileStore
from librarian.spool.interfaces import READ_LOCK, TEMP_PREFIX, WRITE_LOCK
from tests.soak.clients.base import HttpClient, digest, shown
from tests.soak.ledger import GONE, Key
from tests.soak.watch import Wrong
from tests.soak.world import told
from tests.support.servers import ftp, ftpd

TARGET = """
[export:soak]
store_dir = {store}
host = {host}
port = {port}
user = {user}
password_env = SOAK_PASSWORD
path = {path}
tls = {tls}
"""


class Partner:
    """A real FTP server: vsftpd or ProFTPD over TLS where there is one, else pyftpdlib."""

    def __init__(self) -> None:
        program = ftpd.available()
        self.server: ftpd.Daemon | ftp.Partner = program() if program else ftp.Partner()
        if isinstance(self.server, ftpd.Daemon):
            self.password, self.settings = ftpd.PASSWORD, self.server.settings()
        else:
            self.password = ftp.PASSWORD
            self.settings = {"host": "127.0.0.1", "port": self.server.port, "user": ftp.USER}
            self.settings |= {"path": "/", "tls": "no"}

    def take(self) -> dict[str, str]:
        """Name and digest of the files that have arrived, which are removed."""
        found = {}
        for path in sorted(self.server.root.iterdir()):
            if path.name not in (WRITE_LOCK, READ_LOCK) and not path.name.startswith(TEMP_PREFIX):
                found[path.name] = digest(path.read_bytes())
                path.unlink()
        return found

    def section(self, store: str) -> str:
        """Of the ini file."""
        text = TARGET.format(store=store, **self.settings)
        authority = self.settings.get("ca_file")
        return f"{text}ca_file = {authority}\n" if authority else text


class Exchange(HttpClient):
    """Delivers files of its own and of the library, exports, and takes them at the other end."""

    kind = "ftp"
    rate = 0.05
    patience = 120.0  # of two commands, each a process that opens the library
    deeds = {"exchange": 1}  # noqa: RUF012  # constant

    def begin(self) -> None:
        super().begin()
        self.partner = Partner()
        self.store = FileStore(self.world.folder / "spool", SystemClock())
        self.store.prepare()
        ini = self.world.server.ini
        self.ini_before = ini.read_text()
        ini.write_text(self.ini_before + self.partner.section(str(self.store.path)))
        self.waiting: dict[str, str] = {}
        self.unsure: dict[str, str] = {}  # fed by a command that failed, so that they may be there or not

    def end(self) -> None:
        self.partner.server.close()
        self.world.server.ini.write_text(self.ini_before)
        super().end()

    def exchange(self) -> None:
        self._deliver()
        self._feed()
        self._command("export", "-q", "soak")
        self._compare(self.partner.take())

    def _deliver(self) -> None:
        for number in range(self.chance.randrange(4)):
            name, data = f"{self.turn}-{number}.xml", self.new_bytes()
            with self.store.writer(name) as file:
                file.write(data)
            self.waiting[name] = digest(data)

    def _feed(self) -> None:
        """A file of the library."""
        name, data, begun = f"fed-{self.turn}.bin", self.new_bytes(), time.monotonic()
        added = told(self.ask("PUT", "upload", f"/{name}", 201, body=data))
        self.world.ledger.add(Key("public", f"/{added['id']}/{name}"), digest(data), begun)
        self.unsure[name] = digest(data)
        self._command("feed", "soak", str(added["id"]))
        self.waiting[name] = self.unsure.pop(name)

    def _command(self, *arguments: str) -> None:
        if complaint := self.world.command(*arguments, SOAK_PASSWORD=self.partner.password):
            raise OSError(complaint)

    def _compare(self, arrived: dict[str, str]) -> None:
        """Everything has arrived, once, as it was."""
        for name in {*arrived, *self.waiting}:
            found = arrived.get(name, GONE)
            wanted = self.waiting.pop(name, "") or self.unsure.pop(name, GONE)
            if found != wanted:
                raise Wrong(f"{name} at the partner's: {shown(found)}, not {shown(wanted)}")
