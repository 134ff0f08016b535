"""Our requests: properties that views and templates use, and malformed parts that are the sender's fault.

Of its parsers webob lets out what Python raised there; here each becomes a refusal, or no value at all.

The properties are those of a class, and not added with ``add_request_method``, for which Pyramid makes
a class for each request: a sixth of the time that a small download takes.
"""

import json
import logging
from functools import partial
from typing import Any, BinaryIO

from pyramid import request
from pyramid.decorator import reify
from pyramid.httpexceptions import HTTPBadRequest
from pyramid_tm import create_tm
from webob.byterange import Range
from webob.cookies import RequestCookies

from librarian.interfaces import LibrarianError
from librarian.web.identity import account_links
from librarian.web.requests.form_files import FormFile, close_all, parsing_form, spool
from librarian.web.requests.received import received_input

log = logging.getLogger(__name__)


class Request(request.Request):
    """A Pyramid request that takes nothing for readable which is not."""

    @property
    def POST(self) -> Any:
        """The fields of a form, whose files are in the byte store's folder.  Raises HTTPBadRequest."""
        try:
            with parsing_form() as files:
                found = super().POST
        except (LibrarianError, OSError):  # the body breaks its own declaration, or the byte store fails
            raise
        except Exception as error:  # noqa: BLE001  # webob's parser has no error class
            # Parts without a boundary between them, another charset than UTF-8, a transfer encoding.
            log.info("form unreadable error=%r", error)
            raise HTTPBadRequest("The form cannot be read.") from None
        if files:
            self.add_finished_callback(partial(_forget_form, files))
        return found

    def make_body_seekable(self) -> None:
        """Have a body that was received read from its start; webob would copy it first."""
        if received_input(self.environ) is not None:
            self.is_body_seekable = True
        super().make_body_seekable()

    def make_tempfile(self) -> BinaryIO:
        """The file that webob copies a body to if the server gave it no way to read it twice."""
        return spool()

    @property
    def json_body(self) -> Any:
        """The value of a JSON body.  Raises HTTPBadRequest."""
        try:
            found = super().json_body
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


def _forget_form(files: list[FormFile], request: Request) -> None:
    """At the end of an attempt: another one, after a conflict, parses the form again."""
    close_all(files)
    request.environ.pop("webob._parsed_post_vars", None)


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
