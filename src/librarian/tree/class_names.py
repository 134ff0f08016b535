"""The names under which classes are stored, and databases that hold former ones.

A pickle holds the module and the name of each class in it: of the object itself, of each value that is no
builtin, and, as ZODB stores them, of every object that is referred to.  When a class is moved or renamed, its
subtree declares the former name (`ISubtree.former_names`).  `ClassNames` finds classes by it, so an older
database can be read by every tool; `rewrite` stores what holds such a name again under the present one.
"""

import logging
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from itertools import islice
from typing import Any

from transaction import TransactionManager
from ZODB.broken import find_global
from ZODB.DB import DB
from ZODB.interfaces import IBroken
from ZODB.POSException import POSKeyError
from zope.component import getUtilitiesFor

from librarian.tree.interfaces import ISubtree
from librarian.tree.retrying import in_transaction, retrying

log = logging.getLogger(__name__)

BATCH = 500  # objects in a transaction


def former_names(subtrees: Iterable[Any]) -> dict[str, Any]:
    """The former names of all classes of these subtrees: "module.Name" -> class.

    Raises ValueError if one is declared for two classes.
    """
    found: dict[str, Any] = {}
    for subtree in subtrees:
        for name, kind in subtree.former_names.items():
            if found.setdefault(name, kind) is not kind:
                raise ValueError(f"{name} is declared as the former name of {found[name]} and of {kind}")
    return found


def _registered() -> list[Any]:
    return [subtree for _name, subtree in getUtilitiesFor(ISubtree)]


class ClassNames:
    """A class factory for ZODB.DB, which knows the former names of the classes of `subtrees`.

    Without `subtrees` it asks for those that are registered when a name is met for the first time.  What is
    found nowhere is ZODB's substitute for it, an IBroken class.
    """

    def __init__(self, subtrees: Iterable[ISubtree] | None = None) -> None:
        self._subtrees = subtrees
        self._found: dict[tuple[str, str], Any] = {}

    def __call__(self, connection: Any, module: str, name: str) -> Any:
        """The class called `name` in `module`, now or formerly."""
        kind = self._found.get((module, name))
        if kind is None:
            kind = self.former_names().get(f"{module}.{name}") or find_global(module, name)
            if not IBroken.implementedBy(kind):
                self._found[module, name] = kind
        return kind

    def former_names(self) -> Mapping[str, Any]:
        """Former name -> present class, of the subtrees given, or else of those registered as utilities."""
        return former_names(_registered() if self._subtrees is None else self._subtrees)


def rewrite(database: DB) -> int:
    """Store again, under the present names, every object whose record holds a former one.

    The number of objects that were stored.  Each batch of BATCH objects is a transaction of its own; a run
    that was cut off is continued by the next, for which what was stored is not in the way.  What cannot be
    read is left as it is and logged: a damaged object must not keep the rest from being served.
    """
    names = former_names(_registered())
    if not names:
        return 0
    number = 0
    found = _oids_with(database, pattern_of(names))
    while oids := list(islice(found, BATCH)):
        number += retrying(partial(_store_again, database, oids))
        log.info("class names rewritten objects=%d", number)
    return number


def pattern_of(names: Iterable[str]) -> re.Pattern[bytes]:
    """An expression that finds any of these names, "module.Name", in a record.

    A record is a pickle of protocol 3 or less, which names a class by GLOBAL: the byte ``c``, module and
    name, each ended by a newline (see pickletools).
    """
    opcodes = (b"c%s\n%s\n" % tuple(part.encode() for part in name.rsplit(".", 1)) for name in names)
    return re.compile(b"|".join(map(re.escape, opcodes)))


def _oids_with(database: DB, pattern: re.Pattern[bytes]) -> Iterator[bytes]:
    with _records(database.storage) as records:
        for oid, data in records:
            if data is not None and pattern.search(data):
                yield oid


@contextmanager
def _records(storage: Any) -> Iterator[Iterator[tuple[bytes, bytes | None]]]:
    """The id and the pickle of every object, also of those that nothing refers to."""
    instance = storage.new_instance() if hasattr(storage, "new_instance") else None
    try:
        if instance is not None:
            instance.poll_invalidations()
        yield _iterate(instance or storage)
    finally:
        if instance is not None:
            instance.release()


def _iterate(storage: Any) -> Iterator[tuple[bytes, bytes | None]]:
    if not hasattr(storage, "record_iternext"):  # storages in memory
        for transaction in storage.iterator():
            yield from {record.oid: record.data for record in transaction}.items()
        return
    position = None
    while True:
        oid, _tid, data, position = storage.record_iternext(position)
        yield oid, data
        if position is None:
            return


def _store_again(database: DB, oids: Iterable[bytes]) -> int:
    manager = TransactionManager()
    connection = database.open(manager)

    def work() -> int:
        return sum(_mark(connection, oid) for oid in oids)

    try:
        number: int = in_transaction(manager, work)
        return number
    finally:
        connection.close()


def _mark(connection: Any, oid: bytes) -> bool:
    """Have the commit store an object that did not change; False if it cannot be read."""
    try:
        thing = connection.get(oid)
        thing._p_activate()
        if IBroken.providedBy(thing):
            raise TypeError(
                f"its class is not known: {thing.__class__.__module__}.{thing.__class__.__name__}"
            )
    except POSKeyError:
        return False  # deleted by now
    except Exception as error:  # noqa: BLE001  # whatever damaged data leads to
        log.error("class names not rewritten oid=%s error=%s", oid.hex(), error)
        return False
    thing._p_changed = True
    return True
