"""Our requests: properties that views and templates use, and malformed parts that are the sender's fault.

Of its parsers webob lets out what Python raised there; here each becomes a refusal, or no value at all.

The properties are those of a class, and not added with ``add_request_method``, for which Pyramid makes
a class for each request: a sixth of the time that a small download takes.
"""

import json
import logging
from typing import Any, BinaryIO

from pyramid import request
from pyramid.decorator import reify
from pyramid.httpexceptions import HTTPBadRequest, HTTPRequestEntityTooLarge
from pyramid_tm import create_tm
from webob.byterange import Range
from webob.cookies import RequestCookies
from zope.component import queryUtility

from librarian.interfaces import LibrarianError
from librarian.store.interfaces import IByteStore
from librarian.web.identity import account_links
from librarian.web.interfaces import FormTooLarge
from librarian.web.requests.form_files import (
    FormReceiving,
    is_form_with_files,
    pass_form_on,
    read_form,
    require_charset,
)
from librarian.web.requests.promises import promised_hashes
from librarian.web.requests.received import FORM, received_input

log = logging.getLogger(__name__)

LARGEST_FORM = 1 << 20  # bytes of a form without files
_WITH_FORM = frozenset(("POST", "PUT", "PATCH"))
_FIELDS_ALONE = frozenset(("", "application/x-www-form-urlencoded"))


def _unique(members: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object of JSON, in which no name is there twice (RFC 8259, section 4).  Raises HTTPBadRequest."""
    found = dict(members)
    if len(found) < len(members):
        names = [name for name, _value in members]
        twice = next(name for name in names if names.count(name) > 1)
        raise HTTPBadRequest(f"{twice[:40]} is given twice.")
    return found


class Request(request.Request):
    """A Pyramid request that takes nothing for readable which is not."""

    @property
    def POST(self) -> Any:
        """The fields of a form, whose files are in the byte store's folder.

        Raises FormUnreadable, HTTPBadRequest, HTTPRequestEntityTooLarge.
        """
        if self.method in _WITH_FORM and is_form_with_files(self.environ):
            return self._form_with_files()
        if (self.content_length or 0) > LARGEST_FORM and self.content_type in _FIELDS_ALONE:
            raise HTTPRequestEntityTooLarge(f"at most {LARGEST_FORM} bytes")
        try:
            return super().POST
        except (LibrarianError, OSError):  # the body breaks its own declaration, or the byte store fails
            raise
        except Exception as error:  # noqa: BLE001  # webob's parser has no error class
            log.info("form unreadable error=%r", error)  # such as another charset than UTF-8
            raise HTTPBadRequest("The form cannot be read.") from None

    def _form_with_files(self) -> Any:
        if FORM not in self.environ:
            if self.method != "POST":  # the body may be wanted as it is
                super().make_body_seekable()
            self._read_form()
        return self.environ[FORM].fields

    def _read_form(self) -> None:
        environ = self.environ
        stays: bool = environ.get("webob.is_body_seekable", False)
        if stays:
            self.body_file_raw.seek(0)
        try:
            kind = environ["CONTENT_TYPE"]
            receiving = FormReceiving(_store(), kind, promised_hashes(environ), self.content_length)
            form = read_form(receiving, self.body_file)
        except FormTooLarge as error:
            raise HTTPRequestEntityTooLarge(str(error)) from None
        if stays:
            self.body_file_raw.seek(0)
            environ[FORM] = form
        else:
            pass_form_on(environ, form)

    def make_body_seekable(self) -> None:
        """Have a body that was received read from its start; webob would copy it first.

        A form with files is read once, when its fields are asked for.
        """
        stays = self.environ.get("webob.is_body_seekable", False)
        if self.method == "POST" and is_form_with_files(self.environ) and not stays:
            return
        if received_input(self.environ) is not None:
            self.is_body_seekable = True
        super().make_body_seekable()

    def make_tempfile(self) -> BinaryIO:
        """The file that webob copies a body to if the server gave it no way to read it twice."""
        file: BinaryIO = _store().spool()
        return file

    @property
    def json_body(self) -> Any:
        """The value of a JSON body.  Raises HTTPBadRequest."""
        try:
            require_charset(self.charset)
            found = json.loads(self.body.decode(self.charset), object_pairs_hook=_unique)
            json.dumps(found, ensure_ascii=False).encode()  # one half of a surrogate pair is no text
            return found
        except LibrarianError:  # as above
            raise
        except (ValueError, LookupError, RecursionError):  # LookupError: an unknown charset
            raise HTTPBadRequest("The body is no JSON.") from None

    @property
    def cookies(self) -> Any:
        """The cookies.  One that cannot be read is left out: it is none that we have set."""
        header = self.environ.get("HTTP_COOKIE")
        if header and not _readable(header):
            self.environ["HTTP_COOKIE"] = ";".join(filter(_readable, header.split(";")))
        return super().cookies

    @reify
    def tm(self) -> Any:
        """The transaction manager, as pyramid_tm would add it."""
        return create_tm(self)

    @property
    def account_links(self) -> list[tuple[str, str]]:
        """The links in the head of each page, as text and path."""
        return account_links(self)


def _store() -> IByteStore:
    store: IByteStore | None = queryUtility(IByteStore)
    if store is None:
        raise LookupError("there is no byte store to keep a body in")
    return store


def forget_unreadable_range(environ: dict[str, Any]) -> None:
    """Leave a Range out that webob, which answers for static files, cannot read (RFC 9110, 14.2: it may be
    ignored): int() takes no number of thousands of digits."""
    try:
        Range.parse(environ.get("HTTP_RANGE", ""))
    except ValueError:
        del environ["HTTP_RANGE"]


def _readable(header: str) -> bool:
    """Whether the names and values of a Cookie field are UTF-8, which webob requires of them."""
    try:
        dict(RequestCookies({"HTTP_COOKIE": header}))
    except UnicodeDecodeError:
        return False
    return True
