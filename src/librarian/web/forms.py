"""Forms and pages: functions for views of every system that read requests and build answers."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import wtforms
from pyramid.httpexceptions import HTTPBadRequest, HTTPRequestEntityTooLarge
from pyramid.renderers import render_to_response
from pyramid.request import Request
from pyramid.response import Response
from webob.multidict import MultiDict
from wtforms.fields import SelectMultipleField
from wtforms.validators import ValidationError
from wtforms.widgets import CheckboxInput

from librarian.settings import as_bool
from librarian.web.errors import wants_page
from librarian.web.requests.methods import judge, judged_by, refusal_of, takes
from librarian.web.requests.request import LARGEST_FORM

_DIGITS = re.compile("0|[1-9][0-9]*")

View = Callable[[Any, Request], Any]


class SeeOther(Response):
    """303 to another page of this site.

    The Location stays a path (RFC 9110, section 10.2.2), so that a false Host leads nowhere.
    """

    def __init__(self, path: str) -> None:
        super().__init__(status=303, headerlist=[("Location", path), ("Cache-Control", "no-store")])

    def _abs_headerlist(self, environ: Any) -> list[tuple[str, str]]:
        # webob would put the Host field of the request in front.
        return list(self.headerlist)


def by_method(**views: View) -> View:
    """A view that leaves the work to another one, by the method of the request."""
    if "GET" in views:
        views["HEAD"] = views["GET"]
    allowed = tuple(sorted(views))

    def judge_head(context: Any, request: Request) -> None:
        judge(views[request.method], context, request)

    @judged_by(judge_head)
    @takes(*allowed)
    def view(context: Any, request: Request) -> Any:
        if request.method not in views:
            raise refusal_of(request.method, allowed)
        return views[request.method](context, request)

    return view


def fields_of(
    request: Request, at_most: int | None = LARGEST_FORM, lists: Mapping[str, str] | None = None
) -> Mapping[str, Any]:
    """The fields of a form (RFC 7578, or URL-encoded) or of a JSON object (RFC 8259, section 4).

    `at_most` limits the size of the body, in bytes; None where a file may be sent along.  A field of a form
    that is there twice is refused, but for those in `lists`, whose values are joined by what stands there.
    Raises HTTPBadRequest, and HTTPRequestEntityTooLarge (413).
    """
    if at_most is not None and (request.content_length or 0) > at_most:
        raise HTTPRequestEntityTooLarge(f"at most {at_most} bytes")
    if request.content_type != "application/json":
        return _form_fields(request, lists or {})
    found = request.json_body
    if not isinstance(found, dict):
        raise HTTPBadRequest("The body is no JSON object.")
    return found


def _form_fields(request: Request, lists: Mapping[str, str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in request.POST.items():
        if not isinstance(value, str):
            continue
        if name not in found:
            found[name] = value
        elif name in lists:
            found[name] += lists[name] + value
        else:
            raise HTTPBadRequest(f"{name[:40]} is given twice.")
    return found


def sent_file(request: Request) -> Any:
    """The part ``file`` of a form, if it holds a file: a FormFile; or None.

    Raises HTTPBadRequest for several, of which all but one would be lost.
    """
    parts = [part for part in request.POST.getall("file") if not isinstance(part, str)]
    if len(parts) > 1:
        raise HTTPBadRequest("Send one file at a time.")
    return parts[0] if parts else None


def sent_files(request: Request) -> list[Any]:
    """The parts ``file`` of a form that hold files, in their order: each a FormFile."""
    return [part for part in request.POST.getall("file") if not isinstance(part, str)]


def text(fields: Mapping[str, Any], name: str, default: str | None = None) -> str:
    """A field that must be a string.  Raises HTTPBadRequest."""
    value = fields.get(name, default)
    if not isinstance(value, str):
        raise HTTPBadRequest(f"{name} must be given, as a string.")
    return value


def number(request: Request, name: str, highest: int) -> int:
    """A field that must be a whole number from 0 to `highest`: a number in JSON, digits in a form.

    Raises HTTPBadRequest.
    """
    stated = fields_of(request).get(name)
    is_text_in_json = isinstance(stated, str) and request.content_type == "application/json"
    value = None if is_text_in_json else whole_number(stated)
    if value is None or not 0 <= value <= highest:
        raise HTTPBadRequest(f"{name}: a whole number from 0 to {highest} is needed")
    return value


def whole_number(value: Any) -> int | None:
    """A value of JSON, in which 7.0 is a whole number as well, or of a form, as digits; None for others."""
    if isinstance(value, str) and len(value) < 17 and _DIGITS.fullmatch(value):
        return int(value)
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def checked(fields: Mapping[str, Any], name: str) -> bool:
    """A field that is true or false in JSON, and in a form what a checkbox or a button sends (`as_bool`).

    One that is left out is false.  Raises HTTPBadRequest.
    """
    try:
        return as_bool(str(fields.get(name, False)))
    except ValueError as error:
        raise HTTPBadRequest(f"{name}: {error}") from None


def done(request: Request, path: str, described: Mapping[str, Any], status: int = 200) -> Response:
    """The answer to a change: 303 to `path` for a browser, the object as JSON for a program."""
    if wants_page(request):
        return SeeOther(path)
    response = Response(json_body=described, status=status)
    if status == 201:
        response.location = path
    return response


def page(request: Request, template: str, values: Mapping[str, Any]) -> Response:
    """`values` on a page, by an asset such as ``librarian.people:templates/people.jinja2``, or as JSON.

    Names that begin with ``_`` are for the page alone, which knows them without it, and in place of what
    programs are told by that name.
    """
    if not wants_page(request):
        shown = {name: value for name, value in values.items() if not name.startswith("_")}
        return Response(json_body=shown, vary=("Accept",))
    of_the_page_last = sorted(values.items(), key=lambda each: each[0].startswith("_"))
    shown = {name.removeprefix("_"): value for name, value in of_the_page_last}
    response = render_to_response(template, shown, request)
    response.vary = ("Accept",)
    return response


class _Box(CheckboxInput):
    """A browser takes `required` for that one box, where one of several is meant: the form judges that."""

    validation_attrs: ClassVar = ["disabled"]


class Boxes(SelectMultipleField):
    """Several choices, each with a box to tick.  The views judge which there are, for programs too."""

    def __init__(self, label: str, validators: Sequence[Any] = (), **options: Any) -> None:
        super().__init__(label, validators, option_widget=_Box(), validate_choice=False, **options)


class PageForm(wtforms.Form):
    """A form on a page: its fields with their labels and limits (https://wtforms.readthedocs.io).

    It keeps what was typed, and each field what is wrong with it (`errors`); templates show a field by
    ``librarian.web:templates/fields.jinja2``.  CSRF tokens are checked for all forms before a view is called.
    """

    #: The field that a refusal is about, by its class, "" for the form as a whole.
    blames: ClassVar[Mapping[type[Exception], str]] = {}
    problem = ""  # what is wrong with the form as a whole

    def blame(self, error: Exception) -> None:
        """Note a refusal at the field that it is about."""
        name = next((name for kind, name in self.blames.items() if isinstance(error, kind)), "")
        reason = sentence(error)
        if name:
            self[name].errors = [*self[name].errors, reason]
        else:
            self.problem = reason

    def marked(self, name: str) -> Any:
        """The element of a field; one that is wrong says so (WAI-ARIA 1.2, aria-invalid)."""
        field, told = self[name], []
        marks: dict[str, Any] = {}
        if field.description:
            told.append(f"{field.id}-about")
        if field.errors:
            told.append(f"{field.id}-error")
            marks = {"aria-invalid": "true", "autofocus": self.first_wrong() == field.id}
        return field(**marks, **({"aria-describedby": " ".join(told)} if told else {}))

    def first_wrong(self) -> str:
        """The id of the first field with an error, which gets the focus."""
        return next((field.id for field in self if field.errors), "")


def readable(read: Callable[[str], Any]) -> Callable[[Any, Any], None]:
    """A validator: what `read` refuses with a ValueError is wrong.  A field may be left empty."""

    def check(form: Any, field: Any) -> None:
        if not (field.data or "").strip():
            return
        try:
            read(field.data.strip())
        except ValueError as error:
            raise ValidationError(sentence(error)) from None

    return check


def sentence(error: Exception) -> str:
    """The reason of a refusal, as a sentence."""
    reason = str(getattr(error, "detail", None) or error).strip()
    return reason[:1].upper() + reason[1:] + ("" if reason.endswith((".", "?", "!")) else ".")


def _typed(request: Request) -> MultiDict:
    """What was typed into a form.  A file where a text is wanted is none: WTForms would take it for one."""
    return MultiDict([(name, value) for name, value in request.POST.items() if isinstance(value, str)])


def by_form(
    request: Request,
    make: Callable[[Any], PageForm],
    change: Callable[[Mapping[str, Any]], Response],
    again: Callable[[PageForm], Response],
    lists: Mapping[str, str] | None = None,
) -> Response:
    """The answer of change(fields).  Where the form of a browser is refused: the page that again(form)
    makes, with what was typed and what is wrong with it, and nothing is committed.  Its status is 400, or
    that of the refusal.

    `make` is the form's class, or makes a form of the fields; `lists` is as for fields_of().  A program gets
    the refusal as it is raised.
    """
    fields = fields_of(request, lists=lists)
    if not wants_page(request):
        return change(fields)
    form, status = make(_typed(request)), 400
    if form.validate():
        try:
            return change(fields)
        except (*form.blames, HTTPBadRequest) as error:
            status = request.invoke_exception_view().status_int
            request.tm.begin()  # without what was changed before the refusal
            form.blame(error)
    response = again(form)
    response.status_int = status
    response.cache_control = "no-store"
    return response
