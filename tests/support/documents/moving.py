"""What the document about moving the tree uses: a library of its own, and empty databases."""

import json
from contextlib import ExitStack
from urllib.parse import urlsplit

from tests.support.servers.engines import postgres_uri
from tests.support.servers.librarian import ServerProcess
from tests.support.servers.postgresql import PostgresServer


class MovingLibrary:
    """A library on FileStorage with one server, whose ini file the document changes."""

    def __init__(self, running: ExitStack, postgres: PostgresServer) -> None:
        self._server = ServerProcess()
        running.callback(self._server.remove)
        running.callback(self._server.stop)
        self.file = f"file://{self._server.folder}/tree/Data.fs"
        self.other_file = f"file://{self._server.folder}/other/Data.fs"
        self.postgres = postgres_uri(postgres.new_database("moved"))
        self.start()

    def start(self) -> None:
        """Start the server."""
        self._server.start()

    def stop(self) -> None:
        """Stop the server."""
        self._server.stop()

    def put(self, name: str, data: bytes) -> str:
        """Upload a file; the path it can be fetched at."""
        added = self._server.request("PUT", self._server.urls["upload"] + name, body=data)
        return urlsplit(json.loads(added.data)["url"]).path

    def get(self, path: str) -> str:
        """What is downloaded from there."""
        found = self._server.request("GET", self._server.urls["public"].rstrip("/") + path)
        return str(found.data.decode())

    def move_tree(self, uri: str) -> None:
        """Run ``librarian move-tree --to URI`` and print what it says, its places by their names."""
        done = self._server.command("move-tree", "--to", uri)
        said = done.stdout + done.stderr
        for name in ("file", "other_file", "postgres"):
            said = said.replace(getattr(self, name), f"<{name}>")
        print(said.replace(str(self._server.folder), "").rstrip())

    def configure(self, uri: str) -> None:
        """Change ``librarian.database_uri`` in the ini file."""
        lines = self._server.ini.read_text().splitlines()
        key = "librarian.database_uri"
        changed = [f"{key} = {uri}" if line.startswith(key) else line for line in lines]
        self._server.ini.write_text("\n".join(changed))
