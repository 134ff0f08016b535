"""The spools of the installation, by the names of their targets."""

import time
from collections.abc import Iterator
from pathlib import Path

from zope.component import getUtility
from zope.interface import implementer

from librarian.interfaces import IClock, ISettings
from librarian.library.interfaces import ILibraryFileAlias
from librarian.spool.exchange.run import run
from librarian.spool.feed import spool_alias
from librarian.spool.interfaces import IProgress, ISpool, ISpoolSet, Kind, NoSuchTarget, NotExported, Sleep
from librarian.spool.model.filestore import FileStore
from librarian.spool.model.report import Report
from librarian.spool.model.state import SpoolState, read_state
from librarian.spool.settings import SpoolSettings, Target, read_targets

KINDS: tuple[Kind, ...] = ("export", "import")


@implementer(ISpool)
class Spool:
    """A spool and its target; the target's password is not known here."""

    def __init__(self, kind: Kind, name: str, target: Target, ini: Path) -> None:
        self.kind = kind
        self.name = name
        self.path = str(target.store_dir)
        self._target = target
        self._ini = ini

    @property
    def address(self) -> str:
        target = self._target
        scheme = "ftp" if target.tls == "no" else "ftps"
        return f"{scheme}://{target.user}@{target.host}:{target.port}/{target.path.lstrip('/')}"

    def state(self, start: str = "") -> SpoolState:
        return read_state(self.kind, self._target, start=start)

    def deliver(self, alias: ILibraryFileAlias, *, name: str | None = None, replace: bool = False) -> str:
        if self.kind != "export":
            raise NotExported(self.name)
        store = FileStore(self.path, getUtility(IClock))
        store.prepare()
        return spool_alias(store, alias, name=name, replace=replace)

    def exchange(self, *, sleep: Sleep | None = None, progress: IProgress | None = None) -> Report:
        target = read_targets(self._ini, self.kind).get(self.name)
        if target is None:  # taken out of the file since
            raise NoSuchTarget(self.kind, self.name)
        return run(self.kind, target, sleep=sleep or time.sleep, progress=progress)


@implementer(ISpoolSet)
class SpoolSet:
    """Reads the file of targets at each call: it is small, and may be edited while the server runs."""

    def __iter__(self) -> Iterator[Spool]:
        for kind in KINDS:
            yield from self._spools(kind).values()

    def __getitem__(self, name: str) -> Spool:
        spool = self.getByName(name)
        if spool is None:
            raise NoSuchTarget("export", name)
        return spool

    def getByName(self, name: str, kind: Kind = "export") -> Spool | None:
        return self._spools(kind).get(name)

    def _spools(self, kind: Kind) -> dict[str, Spool]:
        file = getUtility(ISettings).section(SpoolSettings).targets_file
        if not file:
            return {}
        targets = read_targets(Path(file), kind, passwords=False)
        return {name: Spool(kind, name, target, Path(file)) for name, target in targets.items()}
