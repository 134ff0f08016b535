"""What strace has seen of one process, as operations on the files below a folder.

Strings come in hex (-xx), descriptors with their paths (-y).  Offsets are followed by descriptor, as a
write names none.  What is not understood and concerns the folder raises NotModelled: a state that leaves it
out would prove nothing.  sync_file_range is no operation, since it promises nothing of names, sizes and the
disk's cache.
"""

import json
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.crash.operations import Data, Disk, Names, Operation, Said, Size, Sync

CALLS = (  # as strace takes them
    "openat,open,creat,close,read,readv,lseek,dup,dup2,dup3,fcntl,write,writev,pwrite64,pwritev,pwritev2,"
    "sendfile,copy_file_range,splice,fallocate,ftruncate,truncate,mmap,fsync,fdatasync,sync_file_range,sync,"
    "syncfs,rename,renameat,renameat2,link,linkat,symlink,symlinkat,unlink,unlinkat,mkdir,mkdirat,rmdir,"
    "clone,clone3,fork,vfork"
)

_LINE = re.compile(r"(\d+) +(\w+)\((.*)\) += (-?\d+)(.*)", re.DOTALL)
_BEGUN = re.compile(r"(\d+) +(.*) <unfinished \.\.\.>", re.DOTALL)
_ENDED = re.compile(r"(\d+) +<\.\.\. \w+ resumed>(.*)", re.DOTALL)
_DESCRIPTOR = re.compile(r"(AT_FDCWD|\d+)<((?:\\x..)*)>(\(deleted\))?")
_PLACE = re.compile(r"\[(\d+)\]")
_STRING = re.compile(r'"((?:\\x..)*)"(\.\.\.)?')


class NotModelled(Exception):
    """A system call on the recorded folder that this does not understand."""


@dataclass
class OpenFile:
    """What an open descriptor stands for; those made by dup share it."""

    inode: int
    append: bool
    offset: int = 0


@dataclass
class Call:
    """One system call that has succeeded."""

    name: str
    text: str  # of the arguments
    result: int
    more: str  # what stands behind the result

    def strings(self) -> list[bytes]:
        """The arguments that are strings."""
        return [_bytes(found) for found, _cut in _STRING.findall(self.text)]

    def descriptors(self) -> list[tuple[int, str]]:
        """Number and path of the arguments that are descriptors, in order; -1 for the current folder."""
        found = _DESCRIPTOR.findall(self.text)
        return [(-1 if number == "AT_FDCWD" else int(number), _text(path)) for number, path, _gone in found]

    def paths(self) -> list[str]:
        """The arguments that are paths, absolute."""
        bases = [path for _number, path in self.descriptors()] or [""]
        names = [os.fsdecode(name) for name in self.strings()]
        bases = bases * len(names) if len(bases) == 1 else bases
        return [str(Path(base, name)) for base, name in zip(bases, names, strict=False)]

    def last_number(self) -> int:
        """The last argument, a number."""
        return int(self.text.rpartition(", ")[2], 0)


def calls(lines: Iterator[str]) -> Iterator[Call]:
    """The calls that have succeeded, in the order in which they ended."""
    begun: dict[str, str] = {}
    for line in lines:
        if match := _BEGUN.match(line):
            begun[match[1]] = match[0].removesuffix(" <unfinished ...>")
            continue
        ended = _ENDED.match(line)
        whole = begun.pop(ended[1]) + ended[2] if ended else line
        if (found := _LINE.match(whole.rstrip("\n"))) and int(found[4]) >= 0:
            yield Call(found[2], found[3], int(found[4]), found[5])


class Trace:
    """The operations below `root` from a trace, on a disk that was `before`; what was written to the file
    `said`, a line of JSON each, are the words between them."""

    def __init__(self, before: Disk, root: Path, said: Path) -> None:
        self.disk = before.copy()
        self.operations: list[Operation] = []
        self._root = os.path.realpath(root)
        self._said = os.path.realpath(said)
        self._files: dict[int, OpenFile] = {}
        self._unnamed: dict[str, int] = {}  # of files that O_TMPFILE made, by the path that strace shows
        self._speaking: set[int] = set()

    def take(self, lines: Iterator[str]) -> None:
        """Read a trace."""
        for call in calls(lines):
            work: Callable[[Call], None] = getattr(self, f"_{call.name}", self._unknown)
            work(call)

    def _do(self, operation: Any) -> None:
        self.disk.apply(operation)
        self.operations.append(operation)

    def _relative(self, path: str) -> str | None:
        """A path below the root, relative to it; None for others."""
        path = os.path.normpath(path)
        if path == self._root:
            return ""
        return path[len(self._root) + 1 :] if path.startswith(f"{self._root}/") else None

    def _entry(self, path: str) -> tuple[int, str, int | None] | None:
        """Folder, name and inode of a path; None outside the root."""
        relative = self._relative(path)
        if relative is None:
            return None
        above, _slash, name = relative.rpartition("/")
        folder = self.disk.find(above)
        if folder is None:
            raise NotModelled(f"no folder for {path}")
        return folder, name, self.disk.folders[folder].get(name)

    def _unknown(self, call: Call) -> None:
        raise NotModelled(call.name)

    # Descriptors

    def _openat(self, call: Call) -> None:
        shown = _DESCRIPTOR.match(f"{call.result}{call.more}")
        path, flags = _text(shown[2]) if shown else "", call.text
        self._files.pop(call.result, None)
        self._speaking.discard(call.result)
        if path == self._said:
            self._speaking.add(call.result)
        elif "O_TMPFILE" in flags and self._relative(path) is not None:
            inode = self._unnamed[f"/proc/self/fd/{call.result}"] = self.disk.new_inode(is_folder=False)
            self._files[call.result] = OpenFile(inode, append=False)
        elif (inode_or_none := self._opened(path, flags)) is not None:
            self._files[call.result] = OpenFile(inode_or_none, "O_APPEND" in flags)

    _open = _creat = _openat

    def _opened(self, path: str, flags: str) -> int | None:
        """The inode of a path that was opened, made if it is new; None outside the root."""
        if self._relative(path) == "":
            return self.disk.find("")
        if (entry := self._entry(path)) is None:
            return None
        folder, name, inode = entry
        if "O_SYNC" in flags or "O_DSYNC" in flags:
            raise NotModelled(f"writing through: {path}")
        if inode is None:
            inode = self.disk.new_inode(is_folder=False)
            self._do(Names(((folder, name, inode),)))
        elif "O_TRUNC" in flags and self.disk.files[inode]:
            self._do(Size(inode, 0))
        return inode

    def _close(self, call: Call) -> None:
        number = call.descriptors()[0][0]
        self._files.pop(number, None)
        self._speaking.discard(number)

    def _dup(self, call: Call) -> None:
        number = call.descriptors()[0][0]
        self._files.pop(call.result, None)
        if number in self._files:
            self._files[call.result] = self._files[number]

    _dup2 = _dup3 = _dup

    def _fcntl(self, call: Call) -> None:
        if "F_DUPFD" in call.text:
            self._dup(call)

    def _file(self, call: Call, number: int = 0) -> OpenFile | None:
        """The file below the root that the descriptor with this number among the arguments stands for."""
        found = call.descriptors()
        return self._files.get(found[number][0]) if len(found) > number else None

    def _read(self, call: Call) -> None:
        if file := self._file(call):
            file.offset += call.result

    _readv = _read

    def _lseek(self, call: Call) -> None:
        if file := self._file(call):
            file.offset = call.result

    # Bytes

    def _write(self, call: Call) -> None:
        data = b"".join(call.strings())[: call.result]
        if call.descriptors() and call.descriptors()[0][0] in self._speaking:
            self.operations.extend(Said(json.loads(line)) for line in data.splitlines())
        elif file := self._file(call):
            self._append(file, data)

    _writev = _write

    def _append(self, file: OpenFile, data: bytes) -> None:
        if file.append:
            file.offset = len(self.disk.files[file.inode])
        if data:
            self._do(Data(file.inode, file.offset, data))
        file.offset += len(data)

    def _pwrite64(self, call: Call) -> None:
        if file := self._file(call):
            self._do(Data(file.inode, call.last_number(), call.strings()[0][: call.result]))

    def _sendfile(self, call: Call) -> None:
        self._transfer(call, self._file(call, 0), self._file(call, 1))

    def _copy_file_range(self, call: Call) -> None:
        self._transfer(call, self._file(call, 1), self._file(call, 0))

    def _transfer(self, call: Call, target: OpenFile | None, source: OpenFile | None) -> None:
        """Bytes copied by the kernel from one recorded file into another."""
        given = _PLACE.search(call.text)  # where in the source; else where it stands, and it moves on
        if source is None:
            if target is not None:
                raise NotModelled(f"{call.name} of bytes that are in no recorded file")
            return
        if given is not None and call.name != "sendfile":
            raise NotModelled(f"{call.name} to or from a given place")
        start = source.offset if given is None else int(given[1])
        if given is None:
            source.offset += call.result
        if target is not None:
            self._append(target, bytes(self.disk.files[source.inode][start : start + call.result]))

    def _ftruncate(self, call: Call) -> None:
        if file := self._file(call):
            self._do(Size(file.inode, call.last_number()))

    def _truncate(self, call: Call) -> None:
        entry = self._entry(call.paths()[0])
        if entry is not None and entry[2] is not None:
            self._do(Size(entry[2], call.last_number()))

    def _refuse_on_files(self, call: Call) -> None:
        if any(number in self._files for number, _path in call.descriptors()):
            raise NotModelled(f"{call.name} on a recorded file")

    _fallocate = _splice = _pwritev = _pwritev2 = _refuse_on_files

    def _mmap(self, call: Call) -> None:
        if "PROT_WRITE" in call.text and "MAP_SHARED" in call.text:
            self._refuse_on_files(call)

    # Durability

    def _fsync(self, call: Call) -> None:
        if file := self._file(call):
            path = self._relative(call.descriptors()[0][1])
            self.operations.append(Sync(file.inode, path or "."))

    _fdatasync = _fsync

    def _sync(self, call: Call) -> None:
        self.operations.append(Sync(None, call.name))

    _syncfs = _sync

    def _sync_file_range(self, call: Call) -> None:
        """Nothing: see above."""

    # Names

    def _rename(self, call: Call) -> None:
        source, target = (self._entry(path) for path in call.paths())
        if source is None and target is None:
            return
        if source is None or target is None or "RENAME_EXCHANGE" in call.text:
            raise NotModelled(f"rename into or out of the folder: {call.paths()}")
        if source[2] != target[2]:  # else rename(2) does nothing
            self._do(Names(((*source[:2], None), (*target[:2], source[2]))))

    _renameat = _renameat2 = _rename

    def _link(self, call: Call) -> None:
        source, target = call.paths()
        if (entry := self._entry(target)) is None:
            return
        inode = (
            self._unnamed[source] if source in self._unnamed else (self._entry(source) or (0, "", None))[2]
        )
        if inode is None:
            raise NotModelled(f"a link from outside: {source}")
        self._do(Names(((*entry[:2], inode),)))

    _linkat = _link

    def _symlink(self, call: Call) -> None:
        if self._relative(call.paths()[-1]) is not None:
            raise NotModelled(f"a symbolic link: {call.paths()[-1]}")

    _symlinkat = _symlink

    def _unlink(self, call: Call) -> None:
        if (entry := self._entry(call.paths()[0])) is not None:
            self._do(Names(((*entry[:2], None),)))

    _unlinkat = _rmdir = _unlink

    def _mkdir(self, call: Call) -> None:
        if (entry := self._entry(call.paths()[0])) is not None:
            inode = self.disk.new_inode(is_folder=True)
            self._do(Names(((*entry[:2], inode),)))

    _mkdirat = _mkdir

    # Processes

    def _clone(self, call: Call) -> None:
        if "CLONE_THREAD" not in call.text:
            raise NotModelled("a second process, whose descriptors are its own")

    _clone3 = _fork = _vfork = _clone


def _bytes(text: str) -> bytes:
    return bytes.fromhex(text.replace("\\x", ""))


def _text(text: str) -> str:
    return os.fsdecode(_bytes(text))
