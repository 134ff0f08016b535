"""``/files/<id>/+about``: a page and JSON on one file, with forms for those who may change it."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

from pyramid.request import Request
from pyramid.response import Response
from wtforms import SelectChoice
from wtforms.fields import DateField, IntegerField, SelectField, StringField
from wtforms.validators import DataRequired, Length, NumberRange, Optional, StopValidation, ValidationError
from zope.component import getUtility
from zope.security.proxy import removeSecurityProxy

from librarian.interfaces import IClock, ISettings
from librarian.library.http.description import LINE, describe
from librarian.library.interfaces import InvalidExpiry
from librarian.library.settings import NEVER, UNREFERENCED, LibrarySettings
from librarian.library.tokens.description import TOKEN
from librarian.library.tokens.interfaces import InvalidLifetime
from librarian.library.views.owners import owner_name
from librarian.library.views.preview import NONE, allow, preview_of
from librarian.library.views.statistics import Plot, Statistics
from librarian.web.errors import wants_page
from librarian.web.forms import PageForm, page
from librarian.web.openapi.declaring import describes, does, page_of
from librarian.web.openapi.schemas import TEXT, array, extended, maybe
from librarian.web.requests.mounting import local_path

TEMPLATE = "librarian.library:templates/about.jinja2"
PLOTTED_DAYS = 30
COUNTRIES = 10  # with the most downloads
UNTIL = "until"
LIFETIMES = (
    ("1h", "1 hour", timedelta(hours=1)),
    ("1d", "1 day", timedelta(days=1)),
    ("7d", "1 week", timedelta(days=7)),
)
LONGEST_REASON = 200  # characters
#: How long a file may stay, by what a form says, in the words of its page.
STAYS = {
    UNREFERENCED: "kept while something refers to it; if nothing does, about a week",
    NEVER: "for good",
    "1d": "a day",
    "7d": "a week",
    "30d": "30 days",
    "365d": "a year",
}


def choices_with(default: str) -> list[tuple[str, str]]:
    """The choices of STAYS, and before them a default that is none of them."""
    return [*([] if default in STAYS else [(default, default)]), *STAYS.items()]


def _chosen_with(name: str) -> Callable[[Any, Any], None]:
    """A validator: where the field `name` says that a day is meant, there has to be one."""

    def check(form: Any, field: Any) -> None:
        if form[name].data == UNTIL and not any(field.raw_data or ()):
            raise StopValidation("Choose the day.")

    return check


def _not_past(form: Any, field: Any) -> None:
    if field.data is not None and field.data < getUtility(IClock).now().date():
        raise ValidationError("This day is over.")


class LinkForm(PageForm):
    """A new link to a restricted file."""

    blames: ClassVar = {InvalidLifetime: "lifetime"}

    lifetime = SelectField("How long it works", default="1d", validate_choice=False)
    until = DateField("Until the end of (UTC)", [_chosen_with("lifetime"), Optional()])
    uses = IntegerField("How many downloads (empty: any number)", [Optional(), NumberRange(1, 999_999_999)])

    def __init__(self, fields: Any = None) -> None:
        super().__init__(fields)
        longest = getUtility(ISettings).section(LibrarySettings).token_lifetime_max
        now = getUtility(IClock).now()
        offered = [(value, words) for value, words, length in LIFETIMES if length <= longest]
        self.lifetime.choices = [
            SelectChoice(*choice) for choice in (*offered, (UNTIL, "until the day below"))
        ]
        last = max(now, now + longest - timedelta(days=1)).date()  # whose end is not too late
        self.until.render_kw = {"min": now.date().isoformat(), "max": last.isoformat()}


class ExpiryForm(PageForm):
    """How long a file stays from now on."""

    blames: ClassVar = {InvalidExpiry: "until"}

    expires = SelectField("From now on", validate_choice=False)
    until = DateField(
        "Until the end of (UTC)", [_chosen_with("expires"), Optional(), _not_past], id="last-day"
    )

    def __init__(self, fields: Any = None, expires: str | None = None) -> None:
        """`expires` is that of the file, as describe() has it."""
        last = None
        if expires not in (None, NEVER):  # the day that ends then, or during which it is
            last = (datetime.fromisoformat(str(expires)).astimezone(UTC) - timedelta(microseconds=1)).date()
        super().__init__(fields, expires=UNTIL if last else expires or UNREFERENCED, until=last)
        self.expires.choices = [
            SelectChoice(*one) for one in (*STAYS.items(), (UNTIL, "until the day below"))
        ]
        self.until.render_kw = {"min": getUtility(IClock).now().date().isoformat()}


class HoldForm(PageForm):
    """A new hold."""

    reason = StringField(
        "Hold it for", [DataRequired("Say who needs the file, and for what."), Length(max=LONGEST_REASON)]
    )


def file_path(alias: Any) -> str:
    """The path of a file in the web application."""
    return local_path(f"/files/{alias.id}")


def about_path(alias: Any) -> str:
    """The path of this page, where forms lead back to."""
    return f"{file_path(alias)}/+about"


def without_proxy(values: Any) -> Any:
    """Lists and dictionaries that a checked call returned, as the JSON encoder wants them."""
    return removeSecurityProxy(values)


@describes(
    "/files/{id:int}/+about",
    GET=does(
        "All that is known of a file; its tokens and holders for those who may change it",
        page_of(extended(LINE, tokens=maybe(array(TOKEN)), holders=maybe(array(TEXT)))),
    ),
)
def about(context: Any, request: Request, **forms: PageForm) -> Response:
    """Everything that is known of a file; its tokens and holders for those with librarian.Edit."""
    values = about_values(context, request, **forms)
    return allow(page(request, TEMPLATE, values), values["_preview"])


def about_values(alias: Any, request: Request, **forms: PageForm) -> dict[str, Any]:
    """The values of page(): those that begin with ``_`` are for the template only.

    `forms` are those that were refused: `link_form`, `hold_form`, `expiry_form`.
    """
    may_edit = request.has_permission("librarian.Edit", alias)
    for_people = _for_people(alias) if wants_page(request) else {"_preview": NONE}
    values = {
        "_title": alias.filename,
        "_path": file_path(alias),
        "_may_edit": may_edit,
        **for_people,
        "owner": alias.owner,
        "owner_name": owner_name(alias.owner),
        "downloads": alias.hits,
        **describe(alias),
    }
    if may_edit:
        found = without_proxy(alias.tokens())
        values |= {"tokens": found, "holders": without_proxy(alias.holders())}
        values |= {"_links": [{**token, "asked_by": owner_name(token["asked_by"])} for token in found]}
        values |= {"_link_form": forms.get("link_form") or LinkForm()}
        values |= {"_hold_form": forms.get("hold_form") or HoldForm()}
        values |= {"_expiry_form": forms.get("expiry_form") or ExpiryForm(expires=values["expires"])}
    return values


def _for_people(alias: Any) -> dict[str, Any]:
    """What only the page shows: the file itself, and its downloads as a plot and by country."""
    found = Statistics.of(alias)
    return {
        "_preview": preview_of(alias),
        "_plot": Plot.of(found.days, getUtility(IClock).now().date(), PLOTTED_DAYS),
        "_countries": found.by_country()[:COUNTRIES],
    }
