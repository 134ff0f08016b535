"""The interface of stores of files by name, be it a directory or a server."""

from typing import BinaryIO, NamedTuple, Self

from librarian.durable import replacing
from librarian.tracker.client.copying import BUFFER, Readable
from librarian.tracker.client.versioned_names import split_name, versioned_name


class Fact(NamedTuple):
    """The facts of a name's newest version that a store knows without reading it."""

    version: int  # seconds
    size: int | None  # bytes; None: the server does not state it
    sha256: str | None = None  # hex; None: unknown


class FileInfoEntry(tuple[str, float]):  # noqa: SLOT001  # slots cannot be added to a tuple
    """One file of a listing: a pair ``(path, mtime)`` with the attribute `size` (bytes).

    The path is relative to the root of the name space, ``d/x`` for the name ``/d/x``.
    """

    size: int

    def __new__(cls, name: str, mtime: float, size: int) -> Self:
        entry = super().__new__(cls, (name.removeprefix("/"), mtime))
        entry.size = size
        return entry

    @property
    def name(self) -> str:
        """The name as the methods of a store take it, with its leading slash."""
        return f"/{self[0]}"

    @property
    def mtime(self) -> float:
        """The version: seconds since 1970."""
        return self[1]

    @property
    def versioned_name(self) -> str:
        """The name with its version: `/name@seconds`."""
        return versioned_name(self.name, int(self.mtime))


class DataStore:
    """Files by name; each name has one version, the newest.

    Names may carry a version.  Everything raises InvalidName for a bad name, FileNotFound for a
    missing one, and other FiletrackerErrors.
    """

    def add_stream(self, name: str, file: Readable) -> str:
        """Store the bytes of `file` under `name`; returns the versioned name that the store has then.

        A version in `name` is that of the file; a store that has this version or a greater one keeps what
        it has.  Without one the file becomes the newest version.
        """
        raise NotImplementedError

    def add_file(self, name: str, filename: str, compress_hint: bool = True) -> str:
        """add_stream() of the file `filename`.

        `compress_hint`: whether it may be packed for sending; a local store ignores it.
        """
        with open(filename, "rb") as file:
            return self.add_stream(name, file)

    def exists(self, name: str) -> bool:
        """Whether the store has the name, or with a version in `name` exactly that version."""
        raise NotImplementedError

    def file_version(self, name: str) -> int:
        """The newest version, in seconds; a version in `name` is ignored."""
        raise NotImplementedError

    def file_size(self, name: str) -> int:
        """The size in bytes."""
        raise NotImplementedError

    def get_stream(self, name: str) -> tuple[BinaryIO, str]:
        """An open binary file, which the caller closes, and its versioned name."""
        raise NotImplementedError

    def get_file(self, name: str, filename: str) -> str:
        """Write the file to `filename`, in one step when it is complete; returns its versioned name.

        Its modification time is the version.
        """
        stream, found = self.get_stream(name)
        with stream, replacing(filename, version=split_name(found)[1]) as target:
            while chunk := stream.read(BUFFER):
                target.write(chunk)
        return found

    def delete_file(self, name: str) -> None:
        """Delete the file if there is one; with a version in `name`, only if that is the newest."""
        raise NotImplementedError

    def list_files(self) -> list[FileInfoEntry]:
        """All names and their versions."""
        raise NotImplementedError

    def describe(self, name: str) -> Fact:
        """Version, size, and the digest if the store knows it."""
        return Fact(self.file_version(name), self.file_size(split_name(name)[0]))
