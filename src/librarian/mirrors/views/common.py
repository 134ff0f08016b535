"""Pages, paths, fields and the display of values, shared by the views of mirrors."""

from collections.abc import Mapping
from enum import Enum
from typing import Any, ClassVar, TypeVar

from pyramid.httpexceptions import HTTPBadRequest
from pyramid.request import Request
from pyramid.response import Response
from wtforms.fields import URLField

from librarian.mirrors.enums import MirrorStatus
from librarian.mirrors.interfaces import BadBaseURL, URLInUse
from librarian.web.forms import PageForm, page, sentence, text
from librarian.web.requests.mounting import local_path

E = TypeVar("E", bound=Enum)
SCHEMES = ("http", "https", "ftp")  # of base URLs
#: Cache-Control of lists, plots and histories: the next probe may change them, so a cache asks again before
#: it uses an answer a second time (RFC 9111, 5.2.2.4).
NOT_REUSED = "private, no-cache"


class BaseURLsForm(PageForm):
    """A form with the base URLs of a mirror."""

    blames: ClassVar[Mapping[type[Exception], str]] = {BadBaseURL: "", URLInUse: ""}

    https_base_url = URLField("HTTPS URL", render_kw={"placeholder": "https://"})
    http_base_url = URLField("HTTP URL", render_kw={"placeholder": "http://"})
    ftp_base_url = URLField("FTP URL", render_kw={"placeholder": "ftp://"})

    def blame(self, error: Exception) -> None:
        """A URL that is refused is that of the field with this URL."""
        names = [field.name for field in self if field.data and field.data == getattr(error, "url", None)]
        if names:
            self[names[0]].errors = [sentence(error)]
        else:
            super().blame(error)


def registry_page(request: Request, template: str, values: Mapping[str, Any]) -> Response:
    """`values` on a page of the package's templates, or as JSON."""
    return page(request, f"librarian.mirrors:templates/{template}.jinja2", values)


def path_of(thing: Any, *more: str) -> str:
    """The path of a distribution or a mirror."""
    distribution = getattr(thing, "distribution", None)
    names = [thing.name] if distribution is None else [distribution.name, thing.name]
    return local_path("/".join(("/mirrors", *names, *more)))


def member_named(kind: type[E], fields: Mapping[str, Any], name: str, default: str | None = None) -> E:
    """The member of an enumeration that a field names.  Raises HTTPBadRequest."""
    given = text(fields, name, default)
    try:
        return kind[given.upper()]
    except KeyError:
        known = ", ".join(each.name for each in kind)
        raise HTTPBadRequest(f"{name} must be one of {known}.") from None


def status_title(name: str) -> str:
    """A MirrorStatus as pages show it, from its name."""
    return MirrorStatus[name].title
