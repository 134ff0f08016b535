"""``/mirrors/<distribution>/<mirror>``: what is known of a mirror, its review, and its owner's changes."""

from collections.abc import Mapping
from typing import Any, ClassVar

from markupsafe import Markup
from pyramid.request import Request
from pyramid.response import Response
from wtforms.fields import StringField
from wtforms.validators import Length

from librarian.mirrors.enums import MirrorReviewStatus
from librarian.mirrors.views.common import (
    SCHEMES,
    BaseURLsForm,
    member_named,
    path_of,
    registry_page,
    status_title,
)
from librarian.mirrors.views.probes import draw_plot
from librarian.mirrors.views.serializers import (
    CONTENTS,
    MIRROR,
    TROUBLES,
    describe,
    describe_contents,
    describe_record,
    describe_troubles,
)
from librarian.people.interfaces import BadDisplayName
from librarian.security.interaction import current_principal
from librarian.web.forms import PageForm, by_form, by_method, checked, done, fields_of, text
from librarian.web.openapi.declaring import changes, describes, does, fields, page_of
from librarian.web.openapi.schemas import CHECKBOX, TEXT, extended, one_of


class MirrorForm(BaseURLsForm):
    """What the owner changes."""

    blames: ClassVar = {**BaseURLsForm.blames, BadDisplayName: "display_name"}

    display_name = StringField("Name, as people say it", [Length(max=200)], render_kw={"required": True})


def _show_mirror(context: Any, request: Request, form: PageForm | None = None) -> Response:
    may_edit = request.has_permission("librarian.Edit", context)
    values = {
        **describe(context),
        "contents": describe_contents(context),
        "troubles": describe_troubles(context),
        "_title": context.display_name,
        "_mirror": context,
        "_path": path_of(context),
        "_form": form or MirrorForm(obj=context),
        "_show": status_title,
        "_plot": Markup(draw_plot(context).decode()),  # noqa: S704  # ElementTree escapes what is in it
        "_records": [describe_record(each) for each in context.probe_records[:20]],
        "_may_edit": may_edit,
        "_may_review": request.has_permission("librarian.mirrors.Review", context),
        "_may_see_logs": request.has_permission("librarian.mirrors.ViewLogs", context),
        "_review_statuses": list(MirrorReviewStatus),
    }
    return registry_page(request, "mirror", values)


def _change_mirror(context: Any, request: Request) -> Response:
    """Any of: display_name, enabled (yes or no), and the three base URLs together."""

    def change(fields: Mapping[str, Any]) -> Response:
        if "display_name" in fields:
            context.display_name = text(fields, "display_name")
        if any(f"{scheme}_base_url" in fields for scheme in SCHEMES):
            context.setBaseURLs(*(text(fields, f"{scheme}_base_url", "") or None for scheme in SCHEMES))
        if "enabled" in fields:
            context.enabled = checked(fields, "enabled")
        return done(request, path_of(context), describe(context))

    return by_form(request, MirrorForm, change, lambda form: _show_mirror(context, request, form))


_BASE_URLS = {f"{scheme}_base_url": TEXT for scheme in SCHEMES}
_CHANGES = changes(
    MIRROR,
    fields(display_name=TEXT, enabled=CHECKBOX, **_BASE_URLS),
    summary="Change the mirror; the base URLs are given together",
)

mirror_index = describes(
    "/mirrors/{distribution}/{mirror}",
    GET=does("What is known of a mirror", page_of(extended(MIRROR, contents=CONTENTS, troubles=TROUBLES))),
    POST=_CHANGES,
    PATCH=_CHANGES,
)(by_method(GET=_show_mirror, POST=_change_mirror, PATCH=_change_mirror))


def _review(context: Any, request: Request) -> Response:
    status = member_named(MirrorReviewStatus, fields_of(request), "status")
    context.review(status, current_principal().person)
    return done(request, path_of(context), describe(context))


def _resubmit(context: Any, request: Request) -> Response:
    context.resubmitForReview()
    return done(request, path_of(context), describe(context))


review = describes(
    "/mirrors/{distribution}/{mirror}/+review",
    POST=changes(MIRROR, fields("status", status=one_of(MirrorReviewStatus)), summary="Judge a registration"),
)(by_method(POST=_review))
resubmit = describes(
    "/mirrors/{distribution}/{mirror}/+resubmit", POST=changes(MIRROR, summary="Ask for another review")
)(by_method(POST=_resubmit))
