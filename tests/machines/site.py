"""A real server with accounts, for tests over HTTP."""

import json
from pathlib import Path
from typing import Any

import urllib3

from librarian.machines.agent.scheduler_client import Api
from tests.support.servers.librarian import ServerProcess

PASSWORD = "seven green bottles"


class MachinesSite:
    """A server with the administrators `admin` and anna, david of vcs-imports, joe, and the daemons."""

    def __init__(self, more: str = "") -> None:
        self.server = ServerProcess(more)
        self.server.start()
        for name in ("anna", "david", "joe", "importd"):
            self.as_admin("/people", name=name, display_name=name.capitalize(), password=PASSWORD)
        self.as_admin("/people/admins/+members", member="anna")
        self.as_admin("/people/vcs-imports/+members", member="david")
        self.token_file = self.server.folder / "token"
        self.token_file.write_text(self.new_token("importd"))
        self.daemon = self.api("importd")

    @property
    def app(self) -> str:
        return self.server.urls["app"].rstrip("/")

    @property
    def basic(self) -> str:
        """The Authorization field of the first administrator."""
        return str(urllib3.make_headers(basic_auth=f"admin:{self.server.admin_password}")["authorization"])

    def as_admin(self, path: str, **fields: Any) -> Any:
        """What the server says to the first administrator's JSON."""
        headers = urllib3.make_headers(basic_auth=f"admin:{self.server.admin_password}")
        headers |= {"Content-Type": "application/json", "Accept": "application/json"}
        answer = self.server.request("POST", self.app + path, body=json.dumps(fields), headers=headers)
        assert answer.status < 300, answer.data
        return answer.json()

    def new_token(self, name: str) -> str:
        answer = self.as_admin(f"/people/{name}/+tokens", title="test", scopes=["machines"])
        return str(answer["token"])

    def api(self, name: str) -> Api:
        """The machines as `name` sees them with a token."""
        return Api(self.app, self.new_token(name))

    def download(self, path: str, name: str = "importd") -> Any:
        """What `name` gets at `path` below /machines, redirections followed without the token."""
        headers = {"Authorization": f"Bearer {self.new_token(name)}"}
        answer = self.server.request("GET", f"{self.app}/machines{path}", headers=headers)
        while answer.status in (302, 303):
            answer = self.server.request("GET", answer.headers["Location"])
        return answer

    def librarian(self, *arguments: str) -> str:
        """What the librarian command prints, as the daemons' account."""
        done = self.server.command(*arguments, "--token-file", str(self.token_file))
        assert done.returncode == 0, done.stderr
        return done.stdout

    def remove(self) -> None:
        self.server.stop()
        self.server.remove()

    def folder(self, name: str) -> Path:
        return self.server.folder / name
