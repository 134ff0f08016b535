"""The steps of the collector that change the tree, in their order, with the rule for each kind of garbage.

`references` in each is the IFileReferences utilities by name, which say what the systems refer to.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from zope.event import notify

from librarian.library.drops.model import UploadLinkSubtree
from librarian.library.events.files import FileDeleted, FileEvent, FileExpiring
from librarian.library.interfaces import NEVER_EXPIRES
from librarian.library.model.files import LibraryFileAlias, LibraryFileContent
from librarian.library.model.subtree import LibrarySubtree
from librarian.library.upkeep.garbage.report import Action
from librarian.library.upkeep.garbage.run import AliasWork, Done, Run

WEEK = timedelta(days=7)  # Launchpad's stay of execution for aliases


def look_at_aliases(run: Run, references: dict[str, Any], steps: Sequence[str]) -> None:
    """Those of `steps` that concern aliases, in one walk: to load an alias costs most of it.

    No alias's fate depends on another alias, so the outcome is that of a walk for each.
    """
    works = {
        "expire": AliasWork("expire", {}, partial(_expire, run)),
        "aliases": AliasWork("aliases", references, partial(_drop_unreferenced, run)),
        "contents": AliasWork("contents", {}, partial(_forget_former, run.now)),
    }
    run.over_aliases([works[step] for step in steps])


def _expire(run: Run, subtree: LibrarySubtree, alias: LibraryFileAlias, held: bool) -> Iterator[Action]:
    """A week after its expiry an alias loses its content, also one that a system refers to.

    Some days before the expiry it is announced.
    """
    expires = alias.expires
    if alias.content is None or expires is None or expires == NEVER_EXPIRES:
        return
    if expires < run.now - WEEK:
        _announce(run, FileDeleted(alias, by="gc"))
        subtree.delete_content(alias)
        yield _action("expire", "expired", alias)
    elif run.now <= expires:
        _announce_end(run, alias, expires)


def _announce_end(run: Run, alias: LibraryFileAlias, until: datetime) -> None:
    """Announce, once and some days before, when a file expires or is to be dropped."""
    is_near = until <= run.now + run.expiry_notice
    if alias.content is not None and is_near and alias.expiry_announced != until:
        alias.expiry_announced = until
        _announce(run, FileExpiring(alias, until=until.isoformat()))


def _announce(run: Run, event: FileEvent) -> None:
    """Announce an event, unless the run is a dry one."""
    if not run.dry_run:
        notify(event)


def _drop_unreferenced(
    run: Run, subtree: LibrarySubtree, alias: LibraryFileAlias, held: bool
) -> Iterator[Action]:
    """An alias without a reference is marked, and dropped a week later if it still has none.

    It must be a week old, and must not expire at a later date: until then it was promised to stay.
    """
    if held:
        if alias.unreferenced_since is not None:
            alias.unreferenced_since = None
            yield _action("aliases", "unmarked", alias)
    elif _may_go(alias, run.now - WEEK):
        if alias.unreferenced_since is None:
            alias.unreferenced_since = run.now
            yield _action("aliases", "marked", alias)
        elif alias.unreferenced_since < run.now - WEEK:
            if alias.content is not None:
                _announce(run, FileDeleted(alias, by="gc"))
            subtree.drop(alias)
            yield _action("aliases", "dropped", alias)
            return
        _announce_end(run, alias, alias.unreferenced_since + WEEK)


def _may_go(alias: LibraryFileAlias, week_ago: datetime) -> bool:
    if alias.former_content is not None:
        return False  # deleted, and may still be brought back
    if alias.content is None:
        return True
    expired = alias.expires is None or alias.expires < week_ago
    return expired and alias.date_created < week_ago


def drop_contents(run: Run, references: dict[str, Any]) -> None:
    """A content that no alias names is marked in one transaction and dropped in the next, so that an upload
    which names it meanwhile is seen."""
    if run.over_contents(partial(_mark, run.now)):
        run.over_contents(partial(_drop, run.now if run.sweep.sweep_after else None))


def _forget_former(
    now: datetime, subtree: LibrarySubtree, alias: LibraryFileAlias, held: bool
) -> Iterator[Action]:
    if alias.former_content is not None and (alias.content_deleted or now) < now - WEEK:
        subtree.forget_former(alias)
        yield _action("contents", "forgotten", alias)


def _mark(now: datetime, subtree: LibrarySubtree, content: LibraryFileContent) -> Iterator[Action]:
    if content.unclaimed_since is None:
        content.unclaimed_since = now
    return iter(())


def _drop(now: datetime | None, subtree: LibrarySubtree, content: LibraryFileContent) -> Iterator[Action]:
    if content.unclaimed_since is not None:
        content.unclaimed_since = None
        subtree.drop_content(content, now)
        yield Action("contents", "dropped", "content", content.sha256)


def forget_tokens(run: Run, references: dict[str, Any]) -> None:
    """Tokens and upload links whose lifetime is over are forgotten."""

    def batch() -> Done:
        subtree = run.library.subtree
        over = list(subtree.expired_tokens(run.now, run.size))
        for token in over:
            subtree.drop_token(token)
        return over, [Action("tokens", "forgotten", "token", token.id, token.path) for token in over]

    while run.batch(["tokens"], batch):
        continue
    _forget_upload_links(run)


def _forget_upload_links(run: Run) -> None:
    def batch() -> Done:
        links: UploadLinkSubtree = run.library.tree.subtree("upload links")
        over = links.expired(run.now, run.size)
        for link in over:
            links.remove(link)
        return over, [Action("tokens", "forgotten", "upload link", link.id) for link in over]

    while run.batch(["tokens"], batch):
        continue


def _action(step: str, verb: str, alias: LibraryFileAlias) -> Action:
    return Action(step, verb, "alias", str(alias.id), alias.filename)
