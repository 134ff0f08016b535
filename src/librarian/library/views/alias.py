"""Views of an alias, for Pyramid and for a zope publisher, in whose traversal they take part.

The traversal of a component that keeps a file ends in file_alias_view().  A public file is redirected to its
download URL.  A restricted one is streamed, or redirected with a fresh token where the feature flag
``publicrestrictedlibrarian`` is on.
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
from librarian.library.http.alias_response import alias_response, facts_of
from librarian.library.interfaces import IFileHolder, ILibraryFileAliasSet, NoURL
from librarian.library.model.files import LibraryFileAlias
from librarian.library.operations import Library
from librarian.web.files.answer import answer_file_request
from librarian.web.openapi.declaring import FILE_FIELDS, describes, does, file_answers, redirects, text

REDIRECT_FLAG = "publicrestrictedlibrarian"


@implementer(IBrowserPublisher)
class LeafView:
    """A view at which traversal ends."""

    def browserDefault(self, request: Any) -> tuple[Any, tuple[str, ...]]:
        return self, ()

    def publishTraverse(self, request: Any, name: str) -> Any:
        raise NotFound(self, name, request)


class AliasView(LeafView):
    """The base class of an alias's named views."""

    def __init__(self, context: Any, request: Any) -> None:
        self.context = context
        self.request = request


class RedirectionView(LeafView):
    """A 302 to `target`; `vary` are the request fields that the choice of it depends on."""

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
    """The answer for a deleted file, status 410.  Raises HTTPGone for Pyramid."""
    if IRequest.providedBy(request):
        raise HTTPGone("File deleted.")
    request.response.setStatus(410)
    return shown(request, "File deleted.")


def shown(request: Any, text: str) -> Any:
    """Plain text: a response for Pyramid; for a zope publisher the text, with its type set."""
    if IRequest.providedBy(request):
        return Response(text, content_type="text/plain", charset="utf-8")
    request.response.setHeader("Content-Type", "text/plain;charset=utf-8")
    return text


class MixedFileAliasView:
    """The base class of both views of a file: public files are redirected, deleted ones refused."""

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
        """As zope.publisher's IPublishTraverse has it.  Raises NotFound: nothing is below a file."""
        raise NotFound(self.context, name, request)

    def restricted_view(self, request: Any) -> Any:
        """The view that answers for a restricted file; each subclass has its own."""
        raise NotImplementedError


@implementer(IBrowserPublisher)
class StreamOrRedirectLibraryFileAliasView(MixedFileAliasView):
    """Streams a restricted file from the byte store, without an HTTP request to a download endpoint."""

    def restricted_view(self, request: Any) -> Any:
        """This view: it streams the file itself."""
        return self

    def __call__(self) -> Any:
        """For Pyramid the response; for a zope publisher an open file, which the publisher closes."""
        alias: LibraryFileAlias = stored(removeSecurityProxy(self.context))
        if IRequest.providedBy(self.request):
            return alias_response(Library(), alias, self.request)
        file = Library().open(alias)
        assert alias.content is not None  # or it would not be open
        # The whole file: ranges and conditions are for the download endpoints.
        for name, value in answer_file_request("GET", {}, facts_of(alias, alias.content)).headers:
            self.request.response.setHeader(name, "none" if name == "Accept-Ranges" else value)
        return file


@implementer(IBrowserPublisher)
class RedirectPerhapsWithTokenLibraryFileAliasView(MixedFileAliasView):
    """Redirects to a restricted file's own host, with a token of the usual lifetime."""

    def restricted_view(self, request: Any) -> Any:
        """A redirection to a download URL with a new token."""
        return RedirectionView(self.context.getURL(include_token=True), request)

    def __call__(self) -> Any:
        view, _names = self.browserDefault(self.request)
        return view()


def file_alias_view(alias: Any, request: Any) -> MixedFileAliasView:
    """The view that the feature flag chooses."""
    if feature(REDIRECT_FLAG) == "on":
        return RedirectPerhapsWithTokenLibraryFileAliasView(alias, request)
    return StreamOrRedirectLibraryFileAliasView(alias, request)


@describes(
    "/files/{id:int}/+index", GET=does("To where the file is downloaded", redirects(302, "There it is"))
)
class LibraryFileAliasView(AliasView):
    """``+index``: a redirection to the download URL, with a token if the file is restricted."""

    def __call__(self) -> Any:
        if self.context.deleted:
            return gone(self.request)
        # A front end that had the request by plain http gets an http link.
        secure = self.request.headers.get("X-Scheme") != "http"
        url = self.context.getURL(secure=secure, include_token=True)
        return RedirectionView(url, self.request, vary=("Accept", "X-Scheme"))()


class _DigestView(AliasView):
    """A digest and the name, as the tools that make checksums write them."""

    algorithm: str

    def __call__(self) -> Any:
        if self.context.deleted:
            return gone(self.request)
        return shown(self.request, f"{getattr(self.context.content, self.algorithm)} {self.context.filename}")


@describes("/files/{id:int}/+md5", GET=does("MD5 and name, as md5sum writes them", text()))
class LibraryFileAliasMD5View(_DigestView):
    """``+md5``: ``<hex digest> <filename>``."""

    algorithm = "md5"


@describes("/files/{id:int}/+sha256", GET=does("SHA-256 and name, as sha256sum writes them", text()))
class LibraryFileAliasSHA256View(_DigestView):
    """``+sha256``: ``<hex digest> <filename>``."""

    algorithm = "sha256"


@describes(
    "/machines/+imports/{name}/+files/{filename}",
    GET=does(
        "A file that another system holds, or to where it is downloaded",
        *file_answers(),
        redirects(302, "There it is"),
        headers=FILE_FIELDS,
    ),
)
def held_file(context: Any, request: Any) -> Any:
    """``<holder>/+files/<filename>``: a file that an object of another system keeps.

    The permission that guards the holder's getFileByName() decides; none is asked for the alias.
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
