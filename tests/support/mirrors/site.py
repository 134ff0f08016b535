"""An installation of its own for documents about ``librarian mirrors``: no server, but real mirrors."""

import json

from tests.support.mirrors.servers import MirrorFarm
from tests.support.servers.librarian import ServerProcess
from tests.support.servers.smtp import SmtpServer

_PATH = "pool/main/p/pmount/pmount_1.9-1_all.deb"
_DESCRIBED = {
    "releases": [{"name": "hoary", "version": "5.04", "components": ["main"], "architectures": ["i386"]}],
    "publications": [
        {
            "release": "hoary",
            "component": "main",
            "architecture": "i386",
            "source": "pmount",
            "version": "1.9-1",
            "date": "2005-06-20T00:00:00Z",
            "path": _PATH,
        }
    ],
}


class MirrorSite:
    """A folder with an ini file, two mirrors called `whole` and `empty`, and an SMTP server."""

    def __init__(self) -> None:
        self._farm = MirrorFarm()
        self._inbox = SmtpServer()
        self._inbox.start()
        files = {_PATH: b"deb", "dists/hoary/main/binary-i386/Packages.gz": b"index"}
        self._urls = {"whole": self._farm.add(files).url, "empty": self._farm.add({}).url}
        self._site = ServerProcess(
            "librarian.mirrors.allowed_networks = 127.0.0.0/8\n"
            f"librarian.mail.queue = mail\nlibrarian.mail.smtp_host = 127.0.0.1\n"
            f"librarian.mail.smtp_port = {self._inbox.port}\n"
        )
        self._site.make()
        (self._site.folder / "publications.json").write_text(json.dumps(_DESCRIBED))
        self._site.command(
            *("person", "add", "jane", "--display-name", "Jane"),
            *("--email", "jane@example.com", "--no-password"),
        )

    def librarian(self, line: str) -> None:
        """Run ``librarian <line>`` with the URLs of the mirrors filled in, and print what it says:
        standard error first, then standard output, then a status that is not 0."""
        done = self._site.command(*line.format(**self._urls).split())
        if shown := (done.stderr + done.stdout).rstrip():
            print(shown)
        if done.returncode:
            print(f"exit status {done.returncode}")

    def mail(self) -> None:
        """Print the recipient and the subject of each mail that was sent."""
        for message in self._inbox.messages:
            print(f"To: {message['To']}\nSubject: {message['Subject']}")

    def close(self) -> None:
        self._inbox.stop()
        self._farm.close()
        self._site.remove()
