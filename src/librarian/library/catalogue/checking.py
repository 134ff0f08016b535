"""fsck of the catalogue: every file has its entry and keys, and every key is that of an entry."""

from collections.abc import Callable, Iterator

from librarian.library.catalogue.indexing import entry_of
from librarian.library.catalogue.model import ID, CatalogueSubtree, keys_of
from librarian.library.model.subtree import LibrarySubtree

Wrong = tuple[str, str, str]  # kind, what, detail

REPAIR = "`librarian reindex --anew` mends it"


def check_file(library: LibrarySubtree, catalogue: CatalogueSubtree, alias_id: int) -> Iterator[Wrong]:
    """What is wrong with the entry of a file; nothing of one that is still to be taken in."""
    indexing = catalogue.indexing
    known = catalogue.entry(alias_id)
    if (not indexing.complete and known is None) or alias_id in library.changes:
        return
    if known != entry_of(library, library.aliases[alias_id]):
        yield "file not as the catalogue has it", str(alias_id), REPAIR
    elif any(key not in catalogue.keys for key in keys_of(alias_id, known)):
        yield "file not in all of its lists", str(alias_id), REPAIR


def check_key(library: LibrarySubtree, catalogue: CatalogueSubtree, key: bytes) -> Iterator[Wrong]:
    """What is wrong with a key of the catalogue."""
    alias_id = int.from_bytes(key[-ID:])
    if key not in keys_of(alias_id, catalogue.entry(alias_id)):
        yield "key of a list that its file is not in", str(alias_id), REPAIR


def check_totals(catalogue: CatalogueSubtree, forget: Callable[[], None]) -> Iterator[Wrong]:
    """Totals that are not the sums of the entries; each is read."""
    stated, found = catalogue.totals.as_tuple(), catalogue.recounted(forget)
    if stated != found:
        yield "totals of the catalogue", ", ".join(map(str, stated)), f"{found} by count; {REPAIR}"


def check_entry(library: LibrarySubtree, catalogue: CatalogueSubtree, alias_id: int) -> Iterator[Wrong]:
    """An entry whose file is gone."""
    if alias_id not in library.aliases and alias_id not in library.changes:
        yield "catalogue has a file that is gone", str(alias_id), REPAIR
