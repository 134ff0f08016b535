"""Beginning, continuing and completing resumable uploads; see uploads.interfaces."""

import logging
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any, BinaryIO

from zope.component import getUtility
from zope.interface import implementer

from librarian.interfaces import ISettings
from librarian.library.filenames import check_content_type, check_filename
from librarian.library.generations import store_and_name
from librarian.library.http.description import describe
from librarian.library.interfaces import AliasNotFound, UploadFailed
from librarian.library.model.files import LibraryFileAlias
from librarian.library.operations import Library, check_expires
from librarian.library.quotas.interfaces import QuotaExceeded
from librarian.library.service import BoundAlias
from librarian.library.settings import ResumableSettings
from librarian.library.uploads.interfaces import (
    BytesLost,
    ILinkUploads,
    InconsistentLength,
    IResumableUploads,
    ITargetUploads,
    OffsetMismatch,
    UploadBusy,
    UploadCompleted,
    UploadExpired,
    UploadNotFound,
    UploadTooLarge,
    UploadUnwanted,
)
from librarian.library.uploads.model import UploadFacts
from librarian.library.uploads.pieces import Held, Most, Piece, Repetition
from librarian.store.interfaces import (
    BytesNotFound,
    DigestMismatch,
    IPartial,
    IPartials,
    IReceivedFile,
    PartialBusy,
    PartialNotFound,
    StoredBytes,
    StoreFull,
)
from librarian.web.interfaces import BodyRefused, ITakesFiles
from librarian.web.requests.received import check_received

log = logging.getLogger(__name__)


@implementer(IResumableUploads)
class ResumableUploads:
    """The uploads of a library."""

    def __init__(self) -> None:
        self._settings = getUtility(ISettings)
        self._active: dict[str, Piece] = {}  # that this process receives at the moment

    @property
    def library(self) -> Library:
        """The library as it is now; a site may register its parts in any order, and later."""
        return Library()

    @property
    def targets(self) -> ITargetUploads:
        """The named tree, as far as uploads have to do with it."""
        found: ITargetUploads = getUtility(ITargetUploads)
        return found

    @property
    def _partials(self) -> IPartials:
        return self.library.store.partials

    @property
    def longest(self) -> int | None:
        return self._settings.section(ResumableSettings).resumable_max_size or None

    def begin(self, filename: str, mimetype: str, **facts: Any) -> IPartial:
        now = self.library.clock.now()
        if (target := facts.get("target")) is not None:
            facts["restricted"] |= self.targets.check(target)
        found = UploadFacts(
            check_filename(filename),
            check_content_type(mimetype),
            alias_id=self.library.subtree.new_id(self.library.random_below),
            created=now,
            until=now + self._settings.section(ResumableSettings).resumable_lifetime,
            **facts,
        )
        check_expires(found.expires)
        self._check_length(found.length, 0, found.most)
        self.library.quotas.require(found.owner, found.length)
        partial: IPartial = self._partials.begin(found.as_json())
        log.info("upload begun upload=%s filename=%r length=%s", partial.id, filename, found.length)
        return partial

    def _check_length(self, length: int | None, have: int, most: int | None) -> None:
        """Raise UploadFailed, UploadTooLarge and StoreFull for a length that cannot be, or not here."""
        if length is None:
            return
        if length == 0:
            raise UploadFailed("Invalid length: 0")
        longest = _least(self.longest, most)
        if longest is not None and length > longest:
            raise UploadTooLarge(f"an upload may have {longest} bytes at most here, not {length}")
        room = self.library.store.room()
        if room is not None and length - have > room:
            raise StoreFull(28, "the byte store has no room for this")

    def stored_facts(self, upload_id: str) -> UploadFacts:
        """The facts of an upload of any owner, expired or not.  Raises UploadNotFound."""
        try:
            return UploadFacts.of(self._partials.facts(upload_id))
        except PartialNotFound:
            raise UploadNotFound(upload_id) from None

    def facts(self, upload_id: str, owner: str | None, restricted: bool | None) -> UploadFacts:
        found = self.stored_facts(upload_id)
        if found.owner != owner or restricted not in (None, found.restricted):
            raise UploadNotFound(upload_id)
        if found.until <= self.library.clock.now():
            with suppress(UploadBusy, UploadNotFound):
                self.cancel(upload_id)
            raise UploadExpired(upload_id, found.until)
        return found

    def piece(
        self,
        upload_id: str,
        offset: int,
        *,
        size: int | None = None,
        length: int | None = None,
        digests: Mapping[str, str] | None = None,
        of_whole: Mapping[str, str] | None = None,
        may_repeat: bool = True,
    ) -> Piece:
        """A piece of `size` bytes; None: not known.  `length` and the digests `of_whole` are those of the
        file, if they are told only now."""
        partial = self._open(upload_id, interrupt=False)
        try:
            facts = UploadFacts.of(partial.facts)
            repeats = may_repeat and _repeats(facts, partial.size, offset, size, length)
            if not repeats:
                self._check_piece(partial, facts, offset, size)
            if length is not None:
                facts = self._with_length(partial, facts, length)
            if of_whole:
                facts = self._with_digests(partial, facts, of_whole)
            if repeats:
                return self._repeated(partial, facts, offset, digests or {})
            return self.piece_of(partial, facts.length, digests or {}, size)
        except BaseException:
            partial.close()
            raise

    def _repeated(
        self, partial: IPartial, facts: UploadFacts, offset: int, digests: Mapping[str, str]
    ) -> Piece:
        """The piece that brought the last bytes, once more."""
        end = facts.size(partial.size)
        repeating: Any = Repetition(partial, lambda: self._bytes_of(partial, facts), offset, end)
        piece = Piece(repeating, Most(end - offset), digests, self._ended)
        self._active[partial.id] = piece
        return piece

    def _bytes_of(self, partial: IPartial, facts: UploadFacts) -> BinaryIO:
        """All bytes that have come, opened.  Raises BytesLost."""
        if not partial.is_gone:
            found: BinaryIO = partial.received().open()
            return found
        assert facts.stored is not None
        try:
            found = self.library.store.open(facts.stored.sha256)
        except BytesNotFound:
            raise BytesLost("the bytes of this upload are no longer held; begin it anew") from None
        return found

    def first_piece(
        self, partial: IPartial, length: int | None, digests: Mapping[str, str], size: int | None
    ) -> Piece:
        """piece_of() an upload that has just begun, and is forgotten if that is refused."""
        try:
            piece = self.piece_of(partial, length, digests, size)
        except BodyRefused:
            self.cancel(partial.id)
            raise
        piece.begins = True
        return piece

    def piece_of(
        self, partial: IPartial, length: int | None, digests: Mapping[str, str], size: int | None
    ) -> Piece:
        """A piece of `size` bytes behind what an opened upload has; closing it closes the upload, and so does
        a failure.  Raises BodyRefused."""
        try:
            most = self._most_of(partial) if length is None else Most(length - partial.size)
            most.require(size or 0)  # before the bytes are sent
            piece = Piece(partial, most, digests, self._ended)
        except BaseException:
            partial.close()
            raise
        self._active[partial.id] = piece
        return piece

    def _most_of(self, partial: IPartial) -> Most:
        """The most bytes that may come of an upload without a declared length, by the settings, by the link
        that it came by, or by its owner's quota, of which senders by a link are told nothing."""
        facts, quotas = UploadFacts.of(partial.facts), self.library.quotas
        room, least = quotas.room(facts.owner, partial.id), _least(self.longest, facts.most)
        if room is None or (least is not None and least <= room):
            return Most(None if least is None else least - partial.size, is_final=True)
        narrowest = quotas.narrowest(facts.owner) if facts.link is None else None
        if narrowest is None:
            return Most(room - partial.size)
        told = {"quota": narrowest.as_json(), "size": None}
        return Most(room - partial.size, str(QuotaExceeded(narrowest, None)), told)

    def _check_piece(self, partial: IPartial, facts: UploadFacts, offset: int, size: int | None) -> None:
        have = facts.size(partial.size)
        if offset != have:
            partial.settle()  # an offset that a client was told never falls
            raise OffsetMismatch(have, offset)
        if facts.stored is not None:
            raise UploadCompleted(partial.id)
        if facts.length is not None and size is not None and offset + size > facts.length:
            raise UploadTooLarge(f"the upload has {facts.length} bytes, and this goes on behind its end")

    def _with_length(self, partial: IPartial, facts: UploadFacts, length: int) -> UploadFacts:
        if facts.length not in (None, length):
            raise InconsistentLength(f"the upload was said to have {facts.length} bytes, and now {length}")
        if length < partial.size:
            raise InconsistentLength(f"{partial.size} bytes have come, more than the {length} declared now")
        if facts.length is None:
            self._check_length(length, partial.size, facts.most)
            self.library.quotas.require(facts.owner, length, partial.id)
            facts = self._note(partial, facts.with_(length=length))
        return facts

    def _with_digests(self, partial: IPartial, facts: UploadFacts, more: Mapping[str, str]) -> UploadFacts:
        """Declare digests of the whole beside those that were.  Raises DigestMismatch."""
        known = dict(facts.digests)
        for name, digest in more.items():
            if known.setdefault(name, digest) != digest:
                raise DigestMismatch(name, digest, known[name])
        if facts.stored is not None:
            check_received(Held(facts.stored, lambda: self._bytes_of(partial, facts)), more)
        if facts.stored is not None or len(known) == len(facts.digests):
            return facts
        return self._note(partial, facts.with_(digests=tuple(known.items())))

    def _ended(self, piece: Piece) -> None:
        if self._active.get(piece.partial.id) is piece:
            del self._active[piece.partial.id]

    def offset(self, upload_id: str, *, completes: bool = False) -> int:
        """As IResumableUploads has it; with `completes`, an upload that has all its bytes is completed: a
        client whose last answer was lost may take that for success."""
        partial = self._open(upload_id, interrupt=True)
        try:
            facts = UploadFacts.of(partial.facts)
            if completes and not facts.named and facts.length == facts.size(partial.size):
                self.complete(partial)
                return facts.length
            if facts.stored is None:
                partial.settle()
            return facts.size(partial.size)
        finally:
            partial.close()

    def _open(self, upload_id: str, *, interrupt: bool) -> IPartial:
        try:
            partial: IPartial = self._partials.open(upload_id)
        except PartialNotFound:
            raise UploadNotFound(upload_id) from None
        except PartialBusy:
            active = self._active.get(upload_id) if interrupt else None
            if active is None or not active.interrupt():
                raise UploadBusy(upload_id) from None
            return self._open(upload_id, interrupt=False)
        return partial

    def complete(self, partial: IPartial) -> dict[str, Any]:
        facts = UploadFacts.of(partial.facts)
        if facts.named:
            return self.result(facts)
        received = None if partial.is_gone else partial.received()
        if received is not None:
            facts = self._check_whole(partial, facts, received)
        try:
            described = self._stored_and_named(facts, received)
        except UploadUnwanted:
            partial.discard()
            raise
        self._note(partial, facts.with_(named=True))
        partial.release()
        log.info("upload complete upload=%s alias=%d", partial.id, facts.alias_id)
        return described

    def _stored_and_named(self, facts: UploadFacts, received: IReceivedFile | None) -> dict[str, Any]:
        # Folders on the way to a target belong to the acting person, an object of this thread's own session.
        tree = self.library.tree
        run = tree.run_together if facts.target is None else tree.run
        described: dict[str, Any] = store_and_name(
            run, lambda: self._keep(facts, received), lambda stored: self._name(facts, stored)
        )
        return described

    def result(self, facts: UploadFacts) -> dict[str, Any]:
        """The description of the file that was added.  Raises AliasNotFound."""
        return self._described(facts, self.library.alias(facts.alias_id))

    def _described(self, facts: UploadFacts, alias: LibraryFileAlias) -> dict[str, Any]:
        if facts.target is not None:
            return self.targets.describe(facts.target, alias)
        return describe(BoundAlias(alias, self.library))

    def _check_whole(self, partial: IPartial, facts: UploadFacts, received: IReceivedFile) -> UploadFacts:
        """Compare what has come with what was declared; the digests are noted for a request after a kill."""
        try:
            if facts.length not in (None, received.size):
                raise InconsistentLength(f"{received.size} bytes have come, not {facts.length}")
            check_received(received, dict(facts.digests))
        except (DigestMismatch, InconsistentLength):
            partial.discard()
            raise
        found = StoredBytes(received.sha256, received.sha1, received.md5, received.size)
        return self._note(partial, facts.with_(stored=found))

    def _keep(self, facts: UploadFacts, received: IReceivedFile | None) -> StoredBytes:
        """Have the store hold the bytes; None: it does already, as far as was noted before a kill."""
        if received is not None:
            return self.library.store.keep(received)
        assert facts.stored is not None
        try:
            self.library.store.size(facts.stored.sha256)
        except BytesNotFound:
            raise BytesLost("the bytes of this upload are no longer held; begin it anew") from None
        return facts.stored

    def _name(self, facts: UploadFacts, stored: StoredBytes) -> dict[str, Any]:
        """Add the alias, unless a request that was killed has done so."""
        try:
            alias = self.library.alias(facts.alias_id)
        except AliasNotFound:
            alias = self._add(facts, stored)
        return self._described(facts, alias)

    def _add(self, facts: UploadFacts, stored: StoredBytes) -> LibraryFileAlias:
        links = None if facts.link is None else getUtility(ILinkUploads)
        target = facts.target
        alias = self.library.add(
            stored,
            facts.filename,
            facts.mimetype,
            expires=facts.expires if links is None else links.expires(facts.link),
            restricted=facts.restricted or (target is not None and self.targets.check(target)),
            owner=facts.owner,
            alias_id=facts.alias_id,
        )
        if links is not None:
            links.received(facts.link, alias)
        if target is not None:
            self.targets.name(target, alias)
        return alias

    @staticmethod
    def _note(partial: IPartial, facts: UploadFacts) -> UploadFacts:
        partial.change(facts.as_json())
        return facts

    def cancel(self, upload_id: str) -> None:
        self._open(upload_id, interrupt=True).discard()
        log.info("upload forgotten upload=%s", upload_id)

    def all(self) -> Iterator[tuple[str, UploadFacts, int]]:
        """Id, facts and the number of bytes that have come, of each."""
        for upload_id in sorted(self._partials):
            with suppress(PartialNotFound):
                facts = UploadFacts.of(self._partials.facts(upload_id))
                stored = facts.stored
                yield upload_id, facts, self._partials.size(upload_id) if stored is None else stored.size

    def doomed(self, now: datetime) -> list[tuple[str, UploadFacts, int]]:
        """Those of all() that expired before `now`, or whose link takes no file any more, so that they cannot
        become complete.  A session of the tree is open."""
        return [found for found in self.all() if found[1].until <= now or not _has_use(found[1])]

    def cancel_by_link(self, link: str) -> None:
        for upload_id, facts, _size in self.all():
            if facts.link == link and not facts.named:
                with suppress(UploadBusy, UploadNotFound):
                    self.cancel(upload_id)


def _has_use(facts: UploadFacts) -> bool:
    """Whether an upload can still become a file, or is one."""
    if facts.link is None or facts.named:
        return True
    takes: bool = getUtility(ILinkUploads).takes(facts.link)
    return takes


def _repeats(facts: UploadFacts, come: int, offset: int, size: int | None, length: int | None) -> bool:
    """Whether a piece of `size` bytes at `offset` (None: not known) is the last one of an upload of which all
    bytes have come; `length` is that of the file, where the piece tells it."""
    have = facts.size(come)
    end = have if facts.stored is not None else facts.length or length
    ends_there = offset <= have if size is None else offset + size == have
    return have == end and ends_there and (offset < have or facts.stored is not None)


def _least(*limits: int | None) -> int | None:
    """The smallest of those limits that are there; None without any."""
    return min((limit for limit in limits if limit is not None), default=None)


@implementer(ITakesFiles)
class TakesFiles:
    """Requests below ``/+uploads`` of the web application commit by themselves, when a file is complete."""


takes_files = TakesFiles()
