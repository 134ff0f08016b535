"""Making, using and revoking upload links; see drops.interfaces."""

import secrets
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

from zope.component import getUtility
from zope.event import notify
from zope.interface import implementer
from zope.security.interfaces import Unauthorized
from zope.security.proxy import removeSecurityProxy

from librarian.interfaces import IClock, ISettings
from librarian.library.drops.interfaces import BadUploadLink, IPlacesFiles, IUploadLinks, NoSuchUploadLink
from librarian.library.drops.model import DropTerms, UploadLink, UploadLinkSubtree
from librarian.library.events.files import UploadReceived
from librarian.library.interfaces import NEVER_EXPIRES
from librarian.library.settings import LibrarySettings, UploadLinkSettings
from librarian.library.tokens.service import ALPHABET, LENGTH, token_hash
from librarian.library.uploads.interfaces import ILinkUploads, IResumableUploads
from librarian.people.credentials.person_principal import PersonPrincipal
from librarian.people.interfaces import IPersonSet
from librarian.security.audit import record_at_commit, record_event
from librarian.security.interaction import current_principal, is_permitted
from librarian.security.interfaces import IPrincipal
from librarian.security.principals import SYSTEM
from librarian.tree.interfaces import ITree

DROP = "+drop"


@implementer(IUploadLinks)
class UploadLinks:
    """All links."""

    def __init__(self) -> None:
        self._tree = getUtility(ITree)
        self._clock = getUtility(IClock)
        self._settings = getUtility(ISettings)

    @property
    def _subtree(self) -> UploadLinkSubtree:
        subtree: UploadLinkSubtree = self._tree.subtree("upload links")
        return subtree

    def create(self, lifetime: timedelta | None = None, **terms: Any) -> str:
        checked = self._checked_terms(DropTerms(**terms))
        facts = {
            "owner": current_principal().id,
            "created": self._clock.now(),
            "lifetime": self._checked_lifetime(lifetime),
        }
        secret = "".join(secrets.choice(ALPHABET) for _ in range(LENGTH))
        key = token_hash(secret)

        self._tree.run_independently(lambda: self._subtree.add(UploadLink(key, checked, **facts)))
        record_event("upload link made", link=UploadLink(key, checked, **facts).id)
        return self._url(secret)

    def _checked_terms(self, terms: DropTerms) -> DropTerms:
        terms.check()
        permission = "librarian.UploadRestricted" if terms.restricted else "librarian.Upload"
        if not is_permitted(permission, self):
            raise Unauthorized(self, "create", permission)
        if terms.folder is not None:
            getUtility(IPlacesFiles).check(terms.folder, terms.restricted)
        return terms

    def _checked_lifetime(self, lifetime: timedelta | None) -> timedelta:
        settings = self._settings.section(UploadLinkSettings)
        if lifetime is None:
            return settings.upload_link_lifetime
        longest = settings.upload_link_lifetime_max
        if not timedelta(0) < lifetime <= longest:
            allowed = str(longest).removesuffix(", 0:00:00")
            raise BadUploadLink(f"the lifetime of an upload link is more than 0 and at most {allowed}")
        return lifetime

    def _url(self, secret: str) -> str:
        settings = self._settings.section(LibrarySettings)
        base = settings.secure_base if settings.use_https else settings.download_url
        return f"{base}{DROP}/{secret}"

    def known(self, secret: str) -> UploadLink:
        """The link with this secret, used up or not.  Raises NoSuchUploadLink."""
        return self._by_key(token_hash(secret))

    def _by_key(self, key: bytes) -> UploadLink:
        link: UploadLink | None = self._subtree.links.get(key)
        if link is None:
            raise NoSuchUploadLink
        return link

    def is_good(self, link: UploadLink) -> bool:
        """Whether a link takes a file now."""
        return link.is_good(self._clock.now())

    def _checked(self, link: UploadLink) -> UploadLink:
        if not self.is_good(link):
            raise NoSuchUploadLink
        return link

    def principal(self, link: UploadLink) -> IPrincipal:
        """Who owns what comes by a link, and acts.  Raises NoSuchUploadLink for one who was disabled."""
        kind, _colon, name = link.owner.partition(":")
        if kind != "person":
            return SYSTEM
        person = removeSecurityProxy(getUtility(IPersonSet)).getByName(name)
        if person is None or not person.active:
            raise NoSuchUploadLink
        return PersonPrincipal(person)

    def file_expires(self, terms: DropTerms) -> datetime | None:
        """When a file that comes now expires; None where a folder holds it."""
        if terms.keep is not None:
            return self._clock.now() + terms.keep
        return NEVER_EXPIRES if terms.folder is None else None

    def terms(self, key: bytes) -> DropTerms:
        """By the SHA-256 of the secret.  Raises NoSuchUploadLink for a link that takes no file now."""
        return self._checked(self._by_key(key)).terms

    def use(self, key: bytes, alias: Any) -> None:
        """Count the stored `alias`, in the transaction that adds it.  Raises NoSuchUploadLink."""
        link = self._checked(self._by_key(key))
        link.uses += 1
        if link.terms.folder is not None:
            getUtility(IPlacesFiles).place(link.terms.folder, alias.filename, alias)
        notify(UploadReceived(alias, link=link.id))
        record_at_commit("upload received", link=link.id, alias=alias.id)

    def __iter__(self) -> Iterator[UploadLink]:
        return self._subtree.listed(self._listed_owner())

    def _listed_owner(self) -> str | None:
        """Whose links the acting principal may list and revoke; None: all."""
        return None if is_permitted("librarian.Admin", self) else current_principal().id

    def page(self, size: int, after: str = "") -> tuple[list[UploadLink], str]:
        found = list(islice(self._subtree.listed(self._listed_owner(), after), size + 1))
        return found[:size], found[size - 1].position if len(found) > size else ""

    def revoke(self, link_id: str) -> None:
        found = self._subtree.by_id(link_id)
        if found is None or self._listed_owner() not in (None, found.owner):
            raise NoSuchUploadLink
        self._subtree.remove(found)
        record_at_commit("upload link revoked", link=link_id)
        self._tree.current_transaction().addAfterCommitHook(_drop_uploads, (found.key.hex(),))


def _drop_uploads(committed: bool, link: str) -> None:
    """What was under way by a link that was revoked is of no use any more, and takes room."""
    if committed:
        uploads: IResumableUploads = getUtility(IResumableUploads)
        uploads.cancel_by_link(link)


@implementer(ILinkUploads)
class LinkUploads:
    """What becomes of resumable uploads below links."""

    @property
    def _links(self) -> UploadLinks:
        links: UploadLinks = removeSecurityProxy(getUtility(IUploadLinks))
        return links

    def expires(self, link: str) -> datetime | None:
        return self._links.file_expires(self._links.terms(bytes.fromhex(link)))

    def takes(self, link: str) -> bool:
        try:
            self._links.terms(bytes.fromhex(link))
        except NoSuchUploadLink:
            return False
        return True

    def received(self, link: str, alias: Any) -> None:
        self._links.use(bytes.fromhex(link), alias)


def describe_link(link: Any) -> dict[str, Any]:
    """An IUploadLink as a JSON object; times as in RFC 3339, sizes in bytes, `keep` in seconds."""
    terms: DropTerms = link.terms
    return {
        "id": link.id,
        "wanted": terms.wanted,
        "owner": link.owner,
        "created": link.created.isoformat(),
        "expires": link.expires.isoformat(),
        "uses": link.uses,
        "max_uses": terms.max_uses,
        "filename": terms.filename,
        "max_size": terms.max_size,
        "media_types": list(terms.media_types),
        "restricted": terms.restricted,
        "folder": terms.folder,
        "keep": None if terms.keep is None else int(terms.keep.total_seconds()),
    }
