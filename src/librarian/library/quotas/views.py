"""``/people/<name>/+quota``, the lines about it on a person's page, and the refusal of what is too much."""

from collections.abc import Mapping
from functools import partial
from typing import Any, ClassVar

from pyramid.httpexceptions import HTTPBadRequest
from pyramid.request import Request
from pyramid.response import Response
from wtforms.fields import StringField
from zope.component import getUtility
from zope.interface import implementer

from librarian.library.quotas.description import QUOTA
from librarian.library.quotas.interfaces import InvalidLimit, IQuotaSet, Quota, QuotaExceeded
from librarian.library.quotas.service import MOST, NAMES, parse_limit
from librarian.people.interfaces import IParticipantFacts
from librarian.security.interaction import is_permitted
from librarian.web.errors import error_response, wants_page
from librarian.web.forms import PageForm, by_form, by_method, done, page, readable, whole_number
from librarian.web.openapi.declaring import changes, describes, does, fields, only, page_of
from librarian.web.openapi.schemas import COUNT, Schema, told
from librarian.web.requests.mounting import local_path

TEMPLATE = "librarian.library:templates/quota.jinja2"


def _path(participant: Any) -> str:
    return local_path(f"/people/{participant.name}/+quota")


def _checked(name: str, stated: str) -> None:
    if not _is_default(stated):
        parse_limit(name, stated)


class QuotaForm(PageForm):
    """New limits."""

    blames: ClassVar = {InvalidLimit: ""}

    bytes = StringField(
        "Bytes: a size such as 10G, none, or default",
        [readable(partial(_checked, "bytes"))],
        default="default",
    )
    files = StringField(
        "Files: a number, none, or default", [readable(partial(_checked, "files"))], default="default"
    )


def _show(context: Any, request: Request, form: PageForm | None = None) -> Response:
    found = getUtility(IQuotaSet).of(context)
    quota = found.quota()
    values = {
        **quota.as_json(),
        "_title": f"Quota of {context.display_name}",
        "_path": _path(context),
        "_participant": local_path(f"/people/{context.name}"),
        "_rows": _rows(quota),
        "_form": form or QuotaForm(),
        "_may_change": is_permitted("librarian.Admin", found),
    }
    return page(request, TEMPLATE, values)


def _rows(quota: Quota) -> list[dict[str, Any]]:
    used = quota.used
    return [
        {
            "name": name,
            "used": None if used is None else getattr(used, name),
            "limit": getattr(quota.limit, name),
        }
        for name in NAMES
    ]


def _change(context: Any, request: Request) -> Response:
    """Fields `bytes` and `files`: a number, a size, ``none`` (null) or ``default``, the same as without."""

    def change(fields: Mapping[str, Any]) -> Response:
        changed = getUtility(IQuotaSet).of(context).setLimits(_stated(fields))
        return done(request, _path(context), changed.as_json())

    return by_form(request, QuotaForm, change, lambda form: _show(context, request, form))


def _stated(fields: Mapping[str, Any]) -> dict[str, int | None]:
    if unknown := sorted(set(fields) - {*NAMES, "csrf_token"}):
        raise HTTPBadRequest(f"{unknown[0]}: the limits are called bytes and files.")
    return {name: _limit(name, fields[name]) for name in NAMES if not _is_default(fields.get(name, ""))}


def _is_default(value: Any) -> bool:
    return isinstance(value, str) and value.strip().lower() in ("", "default")


def _limit(name: str, value: Any) -> int | None:
    if isinstance(value, str):
        return parse_limit(name, value)
    limit = whole_number(value)
    if value is not None and limit is None:
        raise InvalidLimit(f"{name}: {value!r} is no limit")
    return limit


_BYTES = r"[0-9]{1,9}(\.[0-9]{1,3})?|[0-9]{1,3}(\.[0-9]{1,3})?[KMG]i?B?"


def _stated_limit(pattern: str, text: str) -> Schema:
    number, words = (
        {**COUNT, "maximum": MOST},
        {"type": "string", "pattern": f"^(none|default|{pattern})?$"},
    )
    return {"anyOf": [number, {"type": "null"}, told(words, text)]}


_SETS = changes(
    QUOTA,
    only(
        fields(
            bytes=_stated_limit(_BYTES, "a size such as 2GB, none or default"),
            files=_stated_limit("[0-9]{1,9}", "a number, none or default"),
        )
    ),
    summary="Set the limits; one left out is the default",
)

quota = describes(
    "/people/{name}/+quota",
    GET=does("The limits of a person or team, and what is used", page_of(QUOTA)),
    POST=_SETS,
    PUT=_SETS,
)(by_method(GET=_show, POST=_change, PUT=_change))


@implementer(IParticipantFacts)
class QuotaFacts:
    """What the page of a person or team shows of the quota, to those who may see it."""

    title = "Quota"

    def facts(self, participant: Any) -> Mapping[str, Any] | None:
        """As IParticipantFacts has it."""
        found = getUtility(IQuotaSet).of(participant)
        if not is_permitted("librarian.ViewQuota", found):
            return None
        described: dict[str, Any] = found.quota().as_json()
        return described

    def line(self, facts: Mapping[str, Any]) -> str:
        """As IParticipantFacts has it."""
        return ", ".join(_told(name, facts["used"][name], facts["limit"][name]) for name in NAMES)

    def path(self, participant: Any) -> str:
        """As IParticipantFacts has it."""
        return _path(participant)


quota_facts = QuotaFacts()


def _told(name: str, used: int | None, limit: int | None) -> str:
    if limit is None:
        return f"{name} not limited" if used is None else f"{used:,} {name}, not limited"
    return f"{'?' if used is None else f'{used:,}'} of {limit:,} {name}"


def exceeded(context: QuotaExceeded, request: Request) -> Response:
    """413 (RFC 9110, section 15.5.14) with the limit and the use."""
    if wants_page(request):
        return error_response(request, 413, str(context))
    body = {"error": str(context), "status": 413, "quota": context.quota.as_json(), "size": context.size}
    response = Response(json_body=body, status=413, vary=("Accept",))
    response.cache_control = "no-store"
    if version := request.headers.get("Tus-Resumable"):
        response.headers["Tus-Resumable"] = version if version.isascii() else ""
    return response
