"""A library that grows: what a look-up, a page, a walk and a start cost at 10^5, 10^6, ... aliases.

make bench-scale, or  bin/py -m benchmarks.scale SIZE... in=FOLDER  where the folder keeps what was made; a
size of 10000000 takes an hour and 16 GB, half of them for the pack.  `make bench` leaves it out.

The records are real: each alias comes by ILibraryFileAliasSet.create(), and one in ten is put into the named
tree.  The bytes are not there: a store that makes digests up takes them.  A transaction makes 10,000 aliases
with keys, random as ever, of one slice of all that there are, so the buckets of the trees are as full as
random uploads leave them and each is written once.  So the file is about as long as after a pack.

Figures are processor time, of a process of its own for each line; look-ups are of objects that are not
loaded, with the file in the system's memory as far as that goes.
"""

import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

import transaction
from webob import Request
from zope.component import getUtility
from zope.security.proxy import removeSecurityProxy

from librarian.app import configure_components, make_app, read_ini
from librarian.library.interfaces import ILibraryFileAliasSet
from librarian.library.model.subtree import ID_LIMIT
from librarian.library.opening import open_library
from librarian.library.operations import Library
from librarian.library.upkeep.garbage.collector import STEPS, GarbageCollector
from librarian.library.upkeep.usage import report
from librarian.naming.interfaces import INamedTree
from librarian.store.interfaces import StoredBytes
from librarian.tree.interfaces import ITree
from librarian.tree.service import Tree

SIZES = (100_000, 1_000_000)
BATCH = 10_000  # aliases of one transaction
NAMED = 10  # one alias in so many is in the named tree
ASKED = 2000  # look-ups of each kind
PAGES = 300  # requests of each kind
MIB = 1 << 20
PARTS = (  # the last one writes the file anew
    *("show_start", "show_rebuilt_start", "show_look_ups", "show_pages"),
    *("show_collector", "show_report", "show_pack"),
)

INI = """\
[app:main]
use = egg:librarian
librarian.site = {site}
librarian.database_uri = file://{folder}/tree/Data.fs
librarian.byte_store = {folder}/bytes
librarian.endpoint.app.listen = 127.0.0.1:6543
librarian.endpoint.public.listen = 127.0.0.1:8000
librarian.endpoint.upload.listen = 127.0.0.1:9090
librarian.endpoint.restricted.listen = 127.0.0.1:8005
librarian.endpoint.restricted-upload.listen = 127.0.0.1:9095
"""


def main() -> None:
    sizes = [int(word) for word in sys.argv[1:] if word.isdigit()] or list(SIZES)
    kept = [word.removeprefix("in=") for word in sys.argv[1:] if word.startswith("in=")]
    for size in sizes:
        with ExitStack() as stack:
            if kept:
                folder = Path(kept[0], str(size))
                folder.mkdir(parents=True, exist_ok=True)
            else:
                folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="librarian-bench-")))
            measure(folder, size)


def measure(folder: Path, size: int) -> None:
    """Make a library of `size` aliases, unless the folder has it, and print what it costs to use it."""
    print(f"{size} aliases", flush=True)
    ini = folder / "scale.ini"
    if not ini.exists():
        ini.write_text(INI.format(site=Path.cwd() / "configure.zcml", folder=folder))
        _apart("build", ini, size)
    for part in PARTS:
        _apart(part, ini, size)


def _apart(part: str, ini: Path, size: int) -> None:
    """Call a function of this module in a process of its own, as configuring a site is for good."""
    code = f"import sys, benchmarks.scale as scale; scale.{part}(sys.argv[1], int(sys.argv[2]))"
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(path or "." for path in sys.path)}
    subprocess.run([sys.executable, "-c", code, str(ini), str(size)], env=environ, check=True)


def _say(what: str, figures: str) -> None:
    print(f"    {what:<34}{figures}", flush=True)


class Slices:
    """Random keys, each transaction's of a slice of its own of all that there are."""

    def __init__(self, number: int) -> None:
        self._number = number
        self._current = 0
        self._random = random.Random(1)

    def next(self) -> None:
        self._current += 1

    def below(self, limit: int) -> int:
        """As secrets.randbelow(), within the slice."""
        share = limit // self._number
        return self._current * share + self._random.randrange(share)

    def digest(self, size: int) -> str:
        """Of `size` bytes, in hex; its first eight bytes are of the slice."""
        return f"{self.below(1 << 64):016x}{self._random.randbytes(size - 8).hex()}"


class NoBytes:
    """A byte store that makes digests up and holds nothing."""

    def __init__(self, slices: Slices) -> None:
        self._slices = slices

    def put(self, stream: BinaryIO, *, size: int, **_declared: Any) -> StoredBytes:
        digest = self._slices.digest
        return StoredBytes(digest(32), digest(20), digest(16), size)


def build(ini: str, size: int) -> None:
    """All aliases, in slices."""
    with _site(ini):
        slices = Slices(-(-size // BATCH))
        aliases, names = (
            removeSecurityProxy(getUtility(kind)) for kind in (ILibraryFileAliasSet, INamedTree)
        )
        aliases._library.store, aliases._library.random_below = NoBytes(slices), slices.below
        names._services.library.random_below = slices.below
        tree, began = getUtility(ITree), time.process_time()
        folder = names.make_folder("/scale")
        transaction.commit()
        for first in range(0, size, BATCH):
            _add_slice(aliases, folder, range(first, min(first + BATCH, size)))
            slices.next()
            tree.forget_loaded()
        took = time.process_time() - began
    length = Path(ini).with_name("tree").joinpath("Data.fs").stat().st_size
    _say(
        "made",
        f"{1e6 * took / size:.0f} us each; Data.fs {length / MIB:.0f} MiB, {length / size:.0f} bytes each",
    )


def _add_slice(aliases: Any, folder: Any, numbers: range) -> None:
    for number in numbers:
        name = f"{number:09}.bin"
        alias = aliases.create(name, 8, BytesIO(b"8 octets"), "application/octet-stream")
        if number % NAMED == 0:
            folder.put(name, alias)
    transaction.commit()


@contextmanager
def _site(ini: str) -> Iterator[None]:
    configure_components(read_ini(ini))
    try:
        with open_library():
            yield
    finally:
        getUtility(ITree).close()


def _memory() -> float:
    """Of this process, resident, in MiB."""
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(status["VmRSS"].split()[0]) / 1024


def show_start(ini: str, size: int) -> None:
    _show_start("start", ini, size)


def show_rebuilt_start(ini: str, size: int) -> None:
    """As after a crash: the index beside the file is gone."""
    Path(ini).with_name("tree").joinpath("Data.fs.index").unlink()
    _show_start("start without Data.fs.index", ini, size)


def _show_start(title: str, ini: str, size: int) -> None:
    uri = read_ini(ini)["librarian.database_uri"]
    before, began = _memory(), time.process_time()
    tree = Tree.from_uri(uri)
    took, more = time.process_time() - began, _memory() - before
    objects = len(tree._database.storage)
    tree.close()
    _say(title, f"{1000 * took:.0f} ms, {more:.0f} MiB; {objects / size:.2f} objects an alias")


def _ids(library: Library) -> list[int]:
    """Some that there are."""
    below = random.Random(2).randrange
    walks = (library.subtree.aliases.keys(min=below(ID_LIMIT * 99 // 100)) for _turn in range(ASKED))
    return [next(iter(walk)) for walk in walks]


def _time(what: str, things: list[Any], ask: Callable[[Any], object]) -> None:
    getUtility(ITree).forget_loaded()
    times = []
    for thing in things:
        began = time.process_time_ns()
        ask(thing)
        times.append((time.process_time_ns() - began) / 1000)
    times.sort()
    _say(what, f"p50 {times[len(times) // 2]:.0f} us, p99 {times[len(times) * 99 // 100]:.0f} us")


def show_look_ups(ini: str, _size: int) -> None:
    """From an id, a digest and a path to the object, in a connection that has loaded little."""
    with _site(ini):
        library, aliases, names = Library(), getUtility(ILibraryFileAliasSet), getUtility(INamedTree)
        ids = _ids(library)
        digests = [library.alias(one).content.sha1 for one in ids]
        paths = [f"/scale/{random.randrange(_size // NAMED) * NAMED:09}.bin" for _turn in range(ASKED)]
        _time("look-up by id", ids, lambda one: aliases[one].content)
        _time("findBySHA1", digests, lambda one: [found.id for found in aliases.findBySHA1(one)])
        _time("traversal in the named tree", paths, lambda one: names[one].alias().id)


def show_pages(ini: str, size: int) -> None:
    """Requests to the application, without a server."""
    app = make_app(read_ini(ini))
    with open_library():
        ids = _ids(Library())[:PAGES]

    def ask(path: str) -> None:
        request = Request.blank(path, headers={"Accept": "application/json"})
        request.environ["SERVER_PORT"] = "6543"
        answer = request.get_response(app)
        assert answer.status_int == 200, answer

    ask(f"/files/{ids[0]}")
    _time("GET /files/ID", [f"/files/{one}" for one in ids], ask)
    starts = [f"{size // PAGES * n:09}.bin" for n in range(PAGES // 2)]
    _time("GET /tree/scale, a page of 100", [f"/tree/scale?start={one}" for one in starts], ask)
    getUtility(ITree).close()


def show_collector(ini: str, size: int) -> None:
    """A dry run of the garbage collector, each step, and the memory that it takes."""
    with _site(ini):
        before = _memory()
        for step in STEPS:
            began = time.process_time()
            GarbageCollector(Library(), dry_run=True).run((step,))
            took = time.process_time() - began
            _say(f"gc --dry-run --only {step}", f"{1e6 * took / size:.1f} s per million")
        _say("gc --dry-run", f"{_memory() - before:.0f} MiB more memory")


def show_report(ini: str, size: int) -> None:
    """What librarian report does."""
    with _site(ini):
        before, began = _memory(), time.process_time()
        report(Library(), 10, lambda _seen: None)
        took = time.process_time() - began
        _say("report", f"{1e6 * took / size:.1f} s per million, {_memory() - before:.0f} MiB more memory")


def show_pack(ini: str, size: int) -> None:
    """A pack that keeps no history."""
    with _site(ini):
        before, began = _memory(), time.process_time()
        getUtility(ITree).pack(0)
        took = time.process_time() - began
        _say("pack", f"{1e6 * took / size:.1f} s per million, {_memory() - before:.0f} MiB more memory")


if __name__ == "__main__":
    main()
