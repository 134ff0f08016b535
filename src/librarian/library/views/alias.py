"""Aliases as views: for Pyramid, and for a zope publisher in whose traversal they take part.

A component that keeps a file has its traversal end in one of these.  Public files are redirected
to their download URL.  Restricted ones are streamed from here, or redirected with a fresh token:
the feature flag ``publicrestrictedlibrarian`` says which.
"""

from typing import Any

from pyramid.httpexceptions import HTTPFound, HTTPGone, HTTPNotFound
from pyramid.interfaces import IRequest
from pyramid.response import Response
from zope.component import getUtility
from zope.interface import implementer
from zope.publisher.interfaces import NotFound
from zope.publisher.interfaces.browser import IBrowserPublisher
from zope.security.proxy import removeSecurityProxy

from librarian.binding import stored
from librarian.features.current import feature
from librarian.library.http.alias_response import deliver, facts_of
from librarian.library.interfaces import IFileHolder, ILibraryFileAliasSet, NoURL
from librarian.library.model.files import LibraryFileAlias
from librarian.library.operations import Library
from librarian.web.files.answer import answer_file_request

REDIRECT_FLAG = "publicrestrictedlibrarian"


@implementer(IBrowserPublisher)
class LeafView:
    """A view behind which there is nothing more to traverse."""

    def browserDefault(self, request: Any) -> tuple[Any, tuple[str, ...]]:
        return self, ()

    def publishTraverse(self, request: Any, name: str) -> Any:
        raise NotFound(self, name, request)


class RedirectionView(LeafView):
    """Leads to `target`; what the answer depends on is in `vary`."""

    def __init__(self, target: str, request: Any, vary: tuple[str, ...] = ()) -> None:
        self.target = target
        self.request = request
        self._vary = vary

    def __call__(self) -> Any:
        if IRequest.providedBy(self.request):
            return HTTPFound(self.target, vary=self._vary or None)
        response = self.request.response
        if self._vary:
            response.setHeader("Vary", ", ".join(self._vary))
        response.redirect(self.target, trusted=True)
        return ""


def gone(request: Any) -> str:
    """What is said of a deleted file.  Raises HTTPGone for Pyramid."""
    if IRequest.providedBy(request):
        raise HTTPGone("File deleted.")
    request.response.setStatus(410)
    return shown(request, "File deleted.")


def shown(request: Any, text: str) -> Any:
    """Plain text, as a response for Pyramid."""
    if IRequest.providedBy(request):
        return Response(text, content_type="text/plain", charset="utf-8")
    request.response.setHeader("Content-Type", "text/plain;charset=utf-8")
    return text


class MixedFileAliasView:
    """What both views of a file share: public ones are redirected, deleted ones refused."""

    def __init__(self, context: Any, request: Any) -> None:
        self.context = context
        self.request = request

    def browserDefault(self, request: Any) -> tuple[Any, tuple[str, ...]]:
        """The view to call next, and no further names.  Raises NoURL, an AssertionError."""
        if self.context.deleted:
            raise NoURL()
        if not self.context.restricted:
            return RedirectionView(self.context.http_url, request), ()
        return self.restricted_view(request), ()

    def publishTraverse(self, request: Any, name: str) -> Any:
        raise NotFound(self.context, name, request)

    def restricted_view(self, request: Any) -> Any:
        raise NotImplementedError


@implementer(IBrowserPublisher)
class StreamOrRedirectLibraryFileAliasView(MixedFileAliasView):
    """Streams a restricted file from here: from the byte store, so through no proxy."""

    def restricted_view(self, request: Any) -> Any:
        return self

    def __call__(self) -> Any:
        """For Pyramid the response; for a zope publisher an open file, the publisher's to close."""
        alias: LibraryFileAlias = stored(removeSecurityProxy(self.context))
        if IRequest.providedBy(self.request):
            return deliver(Library(), alias, self.request)
        file = Library().open(alias)
        assert alias.content is not None  # or it would not be open
        # The whole file: ranges and conditions are for the download endpoints.
        for name, value in answer_file_request("GET", {}, facts_of(alias, alias.content)).headers:
            self.request.response.setHeader(name, "none" if name == "Accept-Ranges" else value)
        return file


@implementer(IBrowserPublisher)
class RedirectPerhapsWithTokenLibraryFileAliasView(MixedFileAliasView):
    """Redirects to a restricted file's own host, with a token that is good for a day."""

    def restricted_view(self, request: Any) -> Any:
        return RedirectionView(self.context.getURL(include_token=True), request)

    def __call__(self) -> Any:
        view, _names = self.browserDefault(self.request)
        return view()


def file_alias_view(alias: Any, request: Any) -> MixedFileAliasView:
    """The view that the feature flag chooses."""
    if feature(REDIRECT_FLAG) == "on":
        return RedirectPerhapsWithTokenLibraryFileAliasView(alias, request)
    return StreamOrRedirectLibraryFileAliasView(alias, request)


class LibraryFileAliasView(LeafView):
    """``+index``: a redirection to the download URL, with a token if the file is restricted."""

    def __init__(self, context: Any, request: Any) -> None:
        self.context = context
        self.request = request

    def __call__(self) -> Any:
        if self.context.deleted:
            return gone(self.request)
        # A front end that says the visitor came by plain http gets a link that stays there.
        secure = self.request.headers.get("X-Scheme") != "http"
        url = self.context.getURL(secure=secure, include_token=True)
        return RedirectionView(url, self.request, vary=("Accept", "X-Scheme"))()


class _DigestView(LeafView):
    """A digest and the name, as the tools that make checksums write them."""

    algorithm: str

    def __init__(self, context: Any, request: Any) -> None:
        self.context = context
        self.request = request

    def __call__(self) -> Any:
        if self.context.deleted:
            return gone(self.request)
        return shown(self.request, f"{getattr(self.context.content, self.algorithm)} {self.context.filename}")


class LibraryFileAliasMD5View(_DigestView):
    """``+md5``"""

    algorithm = "md5"


class LibraryFileAliasSHA256View(_DigestView):
    """``+sha256``"""

    algorithm = "sha256"


def held_file(context: Any, request: Any) -> Any:
    """``<holder>/+files/<filename>``: a file that some object of another system keeps.

    Whether it may be had is the holder's affair: its own permission guards getFileByName(), and
    who passes it needs none for the alias.
    """
    if len(request.subpath) != 1:
        raise HTTPNotFound
    try:
        alias_id = IFileHolder(context).getFileByName(request.subpath[0])
    except LookupError:
        raise HTTPNotFound from None
    alias = removeSecurityProxy(getUtility(ILibraryFileAliasSet)[alias_id])
    if alias.deleted:
        raise HTTPGone("File deleted.")
    view, _names = file_alias_view(alias, request).browserDefault(request)
    return view()
