"""Pages of a small and of a large library: p50 of each, and their ratio, which is at most 2.

bin/py -m benchmarks.pages [SMALL LARGE] [in=FOLDER], 1,000 and 1,000,000 files without numbers; the folder
keeps what was made.  `make bench-scale` runs it last.  The library is made as by benchmarks.scale: real
records, and bytes that are not there.  Figures are processor time of a request to the application, without
a server, by an administrator's API token, who owns every second file.
"""

import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from datetime import timedelta
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import transaction
from webob import Request
from zope.component import getUtility
from zope.security.proxy import removeSecurityProxy

from benchmarks.scale import BATCH, INI, NAMED, NoBytes, Slices, _site
from librarian.app import make_app, read_ini
from librarian.interfaces import IClock
from librarian.library.catalogue.indexing import Indexer
from librarian.library.interfaces import ILibraryFileAliasSet
from librarian.library.opening import open_library
from librarian.library.operations import Library
from librarian.naming.interfaces import INamedTree
from librarian.naming.views.listing import LISTED
from librarian.people.credentials.interfaces import ICredentialSet
from librarian.people.credentials.person_principal import PersonPrincipal
from librarian.people.interfaces import IPersonSet, ITeamSet
from librarian.security.interaction import acting_as
from librarian.tree.interfaces import ITree

SMALL, LARGE = 1000, 1_000_000
MOST = 2.0  # times as dear
ASKED = 60  # requests of each kind
WORDS = ("report", "minutes", "invoice", "photo", "drawing", "letter", "backup", "talk", "song", "map")
KINDS = ("txt", "pdf", "png", "ogg")
EXPIRING, DELETED, HELD = 50, 40, 30  # one file in so many


def main() -> None:
    sizes = [int(word) for word in sys.argv[1:] if word.isdigit()] or [SMALL, LARGE]
    kept = [word.removeprefix("in=") for word in sys.argv[1:] if word.startswith("in=")]
    with ExitStack() as stack:
        made = (
            kept[0] if kept else stack.enter_context(tempfile.TemporaryDirectory(prefix="librarian-bench-"))
        )
        show([_measured(Path(made, str(size)), size) for size in sizes], sizes)


def _measured(folder: Path, size: int) -> dict[str, float]:
    """The p50 of each page in microseconds, of a process of its own, as configuring a site is for good."""
    folder.mkdir(parents=True, exist_ok=True)
    ini, token = folder / "scale.ini", folder / "token"
    if not token.exists():
        ini.write_text(INI.format(site=Path.cwd() / "configure.zcml", folder=folder))
        _apart("build", ini, size)
    lines = _apart("ask_all", ini, size).splitlines()
    return {name: float(figure) for name, _tab, figure in (line.partition("\t") for line in lines)}


def _apart(part: str, ini: Path, size: int) -> str:
    code = f"import sys, benchmarks.pages as pages; pages.{part}(sys.argv[1], int(sys.argv[2]))"
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(path or "." for path in sys.path)}
    command = [sys.executable, "-c", code, str(ini), str(size)]
    return subprocess.run(command, env=environ, check=True, stdout=subprocess.PIPE, text=True).stdout


def show(found: list[dict[str, float]], sizes: list[int]) -> None:
    """A line for each page; one that is dearer than it may be has a star."""
    print(f"{'p50 of pages, us':<44}" + "".join(f"{size:>12,}" for size in sizes) + f"{'ratio':>8}")
    for name in found[0]:
        figures = [each[name] for each in found]
        ratio = figures[-1] / figures[0]
        print(
            f"{name:<44}"
            + "".join(f"{each:>12.0f}" for each in figures)
            + f"{ratio:>8.2f}{' *' * (ratio > MOST)}"
        )


def build(ini: str, size: int) -> None:
    """All files, in slices, then their lists."""
    with _site(ini):
        token = _administrator()
        slices = Slices(-(-size // BATCH))
        aliases, names = removeSecurityProxy(getUtility(ILibraryFileAliasSet)), getUtility(INamedTree)
        aliases._library.store, aliases._library.random_below = NoBytes(slices), slices.below
        bare = removeSecurityProxy(names)
        bare._services.library.random_below = slices.below
        folder = bare.make_folder("/scale")
        transaction.commit()
        for first in range(0, size, BATCH):
            _add_slice(aliases, folder, range(first, min(first + BATCH, size)))
            slices.next()
            getUtility(ITree).forget_loaded()
        while Indexer().run():
            getUtility(ITree).forget_loaded()
        Path(ini).with_name("token").write_text(token)


def _administrator() -> str:
    """The secret of an API token of an administrator."""
    person = getUtility(IPersonSet).new("scale", "Scale")
    getUtility(ITeamSet)["admins"].addMember(person)
    token: str = getUtility(ICredentialSet).of(person).newToken("scale", ["all"]).secret
    transaction.commit()
    return token


def _add_slice(aliases: Any, folder: Any, numbers: range) -> None:
    chance, now = random.Random(numbers.start), getUtility(IClock).now()
    owner = PersonPrincipal(getUtility(IPersonSet)["scale"])
    for number in numbers:
        name = f"{chance.choice(WORDS)} {number:07} {chance.choice(WORDS)}.{chance.choice(KINDS)}"
        expires = now + timedelta(days=chance.randrange(1, 300)) if number % EXPIRING == 1 else None
        with ExitStack() as stack:
            if number % 2:
                stack.enter_context(acting_as(owner))
            alias = aliases.create(
                name, 8, BytesIO(b"8 octets"), "text/plain", expires, restricted=number % 3 == 0
            )
        if number % NAMED == 0:
            folder.put(f"{number:09}.bin", alias)
        elif number % DELETED == 1:
            alias.delete()
        elif number % HELD == 1:
            alias.hold("the exhibition")
    transaction.commit()


def _folder(size: int, chance: random.Random) -> str:
    """A page with as many lines as a page can have, in a library of either size."""
    first = chance.randrange(max(1, size // NAMED - LISTED + 1))
    return f"/tree/scale/?start={first * NAMED:09}.bin"


#: What stands in the table, and the URL of a page, of the number of files and a random number.
PAGES: dict[str, Callable[[int, random.Random], str]] = {
    "/": lambda size, chance: "/",
    "/files": lambda size, chance: "/files",
    "/files?list=all": lambda size, chance: "/files?list=all",
    "/files?list=all&sort=name": lambda size, chance: "/files?list=all&sort=name",
    "/files?list=all&sort=-size": lambda size, chance: "/files?list=all&sort=-size",
    "/files?list=all&space=restricted": lambda size, chance: "/files?list=all&space=restricted",
    "/files?list=all&type=text": lambda size, chance: "/files?list=all&type=text",
    "/files?list=all&type=image, none there is": lambda size, chance: "/files?list=all&type=image",
    "/files?list=expiring": lambda size, chance: "/files?list=expiring",
    "/files?list=held": lambda size, chance: "/files?list=held",
    "/files?list=deleted": lambda size, chance: "/files?list=deleted",
    "/+search, a word": lambda size, chance: _search(chance.choice(WORDS)),
    "/+search, the beginnings of two": lambda size, chance: _search("repo map"),
    "/+search, a number": lambda size, chance: _search(f"{chance.randrange(size):07}"),
    "/+upload": lambda size, chance: "/+upload",
    "/tree/scale/": lambda size, chance: "/tree/scale/",
    "/tree/scale/, from anywhere": _folder,
    "/tree/scale/, from anywhere, nothing loaded": _folder,
    "/people": lambda size, chance: "/people",
    "/people/scale/+tokens": lambda size, chance: "/people/scale/+tokens",
    "/+overview": lambda size, chance: "/+overview",
    "/+audit": lambda size, chance: "/+audit",
}


#: Before each of these requests the application forgets what it has loaded: a library of 1,000 files is
#: otherwise in memory as a whole, and its page is one of objects that were asked for before.
FORGETFUL = {"/tree/scale/, from anywhere, nothing loaded"}


def _search(words: str) -> str:
    return f"/+search?{urlencode({'q': words})}"


def ask_all(ini: str, size: int) -> None:
    """Print the p50 of each page, in microseconds, after a tab."""
    app = make_app(read_ini(ini))
    token, chance = Path(ini).with_name("token").read_text(), random.Random(3)
    with open_library():
        ids = list(_ids(chance))
    urls = {name: [make(size, chance) for _turn in range(ASKED)] for name, make in PAGES.items()}
    urls["/files/ID/+about"] = [f"/files/{one}/+about" for one in ids]
    urls["/files/ID/+stats"] = [f"/files/{one}/+stats" for one in ids]
    urls["/files?list=all, from its middle"] = list(_middles(app, token, ids))
    for name, paths in urls.items():
        for path in paths[:5]:
            _ask(app, token, path)
        times = sorted(_took(app, token, path, forgetful=name in FORGETFUL) for path in paths)
        print(f"{name}\t{times[len(times) // 2]:.1f}")
    getUtility(ITree).close()


def _ids(chance: random.Random) -> Iterator[int]:
    """Of files that are not deleted, anywhere."""
    subtree = Library().subtree
    low, high = subtree.aliases.minKey(), subtree.aliases.maxKey()
    found = 0
    while found < ASKED:
        one = next(iter(subtree.aliases.keys(min=chance.randrange(low, high))))
        if subtree.alias(one).content is not None:
            found += 1
            yield one


def _middles(app: Any, token: str, ids: list[int]) -> Iterator[str]:
    """Pages that begin somewhere: the second pages of searches."""
    first = _ask(app, token, "/files?list=all&size=20", "application/json").json
    url = first["next"]
    for _one in ids:
        yield url
        following = _ask(app, token, url, "application/json").json["next"]
        with suppress(TypeError):
            url = following + ""


def _took(app: Any, token: str, path: str, *, forgetful: bool) -> float:
    if forgetful:
        tree = getUtility(ITree)
        with tree.session():
            tree.forget_loaded()
    began = time.process_time_ns()
    _ask(app, token, path)
    return (time.process_time_ns() - began) / 1000


def _ask(app: Any, token: str, path: str, accept: str = "text/html") -> Any:
    request = Request.blank(path, headers={"Accept": accept, "Authorization": f"Bearer {token}"})
    request.environ["SERVER_PORT"] = "6543"
    answer = request.get_response(app)
    assert answer.status_int == 200, (path, answer)
    return answer


if __name__ == "__main__":
    main()
