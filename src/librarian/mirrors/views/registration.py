"""``/mirrors/<distribution>/+register``: the form for the owner of a new mirror."""

from collections.abc import Mapping
from functools import partial
from typing import Any, ClassVar

from pyramid.httpexceptions import HTTPForbidden
from pyramid.request import Request
from pyramid.response import Response
from wtforms import SelectChoice
from wtforms.fields import SelectField, StringField
from wtforms.validators import DataRequired, Length
from zope.component import getUtility

from librarian.countries.interfaces import ICountrySet
from librarian.mirrors.enums import MirrorContent, MirrorPulseType, MirrorSpeed
from librarian.mirrors.interfaces import NameInUse
from librarian.mirrors.views.common import SCHEMES, BaseURLsForm, member_named, path_of, registry_page
from librarian.mirrors.views.serializers import MIRROR, describe
from librarian.people.interfaces import BadName
from librarian.security.interaction import current_principal
from librarian.web.forms import PageForm, by_form, by_method, done, text
from librarian.web.openapi.declaring import changes, describes, does, fields, page_of
from librarian.web.openapi.schemas import TEXT, WORD, array, mapping, obj, one_of, told

_NAME = {"autocapitalize": "none"}


class RegistrationForm(BaseURLsForm):
    """A new mirror."""

    blames: ClassVar = {**BaseURLsForm.blames, NameInUse: "name", BadName: "name"}

    name = StringField(
        "Name, as in URLs", [DataRequired("A name is needed."), Length(max=64)], render_kw=_NAME
    )
    country = SelectField("Country", [DataRequired("Choose the country.")], validate_choice=False)
    speed = SelectField(
        "Speed", choices=[SelectChoice(one.name, one.title) for one in MirrorSpeed], default="S1G"
    )
    content = SelectField(
        "Content",
        choices=[
            SelectChoice("ARCHIVE", "Archive of packages"),
            SelectChoice("RELEASE", "Images to install from"),
        ],
    )
    pulse_type = SelectField(
        "Synchronisation",
        choices=[
            SelectChoice("PULL", "The mirror fetches by itself"),
            SelectChoice("PUSH", "The archive tells it when"),
        ],
    )

    def __init__(self, fields: Any = None) -> None:
        super().__init__(fields)
        countries = [SelectChoice(one.iso3166code2, one.name) for one in getUtility(ICountrySet)]
        self.country.choices = [SelectChoice("", "Choose"), *countries]


def _register_form(context: Any, request: Request, form: PageForm | None = None) -> Response:
    if not current_principal().authenticated:
        _ = context.newMirror  # raises Unauthorized, which invites to log in
    values = {
        "_title": f"Register a mirror of {context.display_name}",
        "_path": path_of(context),
        "_form": form or RegistrationForm(),
        "speeds": {each.name: each.title for each in MirrorSpeed},
        "contents": [each.name for each in MirrorContent],
        "pulse_types": [each.name for each in MirrorPulseType],
    }
    return registry_page(request, "register", values)


def _register(context: Any, request: Request) -> Response:
    again = partial(_register_form, context, request)
    return by_form(request, RegistrationForm, partial(_registered, context, request), again)


def _registered(context: Any, request: Request, fields: Mapping[str, Any]) -> Response:
    register_mirror, owner = context.newMirror, current_principal().person  # the first asks who may
    if owner is None:
        raise HTTPForbidden("A mirror is owned by a person.")
    mirror = register_mirror(
        owner,
        text(fields, "name"),
        member_named(MirrorSpeed, fields, "speed", "S1G"),
        getUtility(ICountrySet)[text(fields, "country")],
        member_named(MirrorContent, fields, "content", "ARCHIVE"),
        member_named(MirrorPulseType, fields, "pulse_type", "PULL"),
        **{f"{each}_base_url": text(fields, f"{each}_base_url", "") or None for each in SCHEMES},
    )
    return done(request, path_of(mirror), describe(mirror), 201)


register = describes(
    "/mirrors/{distribution}/+register",
    GET=does(
        "What a registration may say",
        page_of(obj(speeds=mapping(TEXT), contents=array(TEXT), pulse_types=array(TEXT))),
    ),
    POST=changes(
        MIRROR,
        fields(
            "name",
            "country",
            name=WORD,
            country=told(WORD, "ISO 3166 alpha-2"),
            speed=one_of(MirrorSpeed),
            content=one_of(MirrorContent),
            pulse_type=one_of(MirrorPulseType),
            **{f"{scheme}_base_url": TEXT for scheme in SCHEMES},
        ),
        201,
        "Register a mirror",
    ),
)(by_method(GET=_register_form, POST=_register))
