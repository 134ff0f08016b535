"""``/mirrors/<distribution>/+register``: the form for the owner of a new mirror."""

from typing import Any

from pyramid.httpexceptions import HTTPForbidden
from pyramid.request import Request
from pyramid.response import Response
from zope.component import getUtility

from librarian.countries.interfaces import ICountrySet
from librarian.mirrors.enums import MirrorContent, MirrorPulseType, MirrorSpeed
from librarian.mirrors.views.common import SCHEMES, member_named, path_of, registry_page
from librarian.mirrors.views.serializers import MIRROR, describe
from librarian.security.interaction import current_principal
from librarian.web.forms import by_method, done, fields_of, text
from librarian.web.openapi.declaring import changes, describes, does, fields, page_of
from librarian.web.openapi.schemas import TEXT, WORD, array, mapping, obj, one_of, told


def _register_form(context: Any, request: Request) -> Response:
    if not current_principal().authenticated:
        _ = context.newMirror  # raises Unauthorized, which invites to log in
    values = {
        "_title": f"Register a mirror of {context.display_name}",
        "_path": path_of(context),
        "_countries": list(getUtility(ICountrySet)),
        "speeds": {each.name: each.title for each in MirrorSpeed},
        "contents": [each.name for each in MirrorContent],
        "pulse_types": [each.name for each in MirrorPulseType],
    }
    return registry_page(request, "register", values)


def _register(context: Any, request: Request) -> Response:
    fields = fields_of(request)
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
