"""What a library of a test is made of."""

from collections.abc import Mapping
from itertools import count
from pathlib import Path
from types import MappingProxyType
from typing import Any


class Parts:
    """The embedded ones: the tree in a file, the bytes in a folder, one node."""

    workers = 1  # of each node
    environ: Mapping[str, str] = MappingProxyType({})  # of the servers
    memory_kib = 0  # of each process, beside what it takes with embedded parts
    nodes = 1  # processes that are started apart from each other, all with the same ini file

    def database_uri(self, folder: Path) -> str:
        """That of a new library whose server has this folder."""
        return f"file://{folder}/tree/Data.fs"

    def byte_store(self, folder: Path) -> str:
        """The setting for the bytes of a new library whose server has this folder."""
        return str(folder / "bytes")

    def more(self, folder: Path) -> str:
        """Lines of settings that such a library needs besides."""
        return ""

    def remove(self, folder: Path) -> None:
        """The library is not used any more."""


class DealtOut(dict[str, str]):
    """The URLs of the endpoints, of one node and the other by turns."""

    def __init__(self, nodes: list[dict[str, str]]) -> None:
        super().__init__(nodes[0])
        self._nodes = nodes
        self._turns = count()

    def __getitem__(self, name: str) -> str:
        return self._nodes[next(self._turns) % len(self._nodes)][name]

    def get(self, name: str, default: Any = None) -> Any:
        """As a dict has it."""
        return self[name] if name in self._nodes[0] else default
