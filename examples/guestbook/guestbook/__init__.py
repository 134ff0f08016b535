"""A guestbook: guests leave a picture, which only those see who have a link."""

from typing import Any

from pyramid.config import Configurator

from guestbook.people import Guests


def main(global_config: dict[str, str], **settings: str) -> Any:
    """The WSGI application."""
    config = Configurator(settings=settings, security_policy=Guests(settings["guestbook.secret"]))
    config.include("pyramid_jinja2")
    config.include("pyramid_tm")
    config.include("librarian", route_prefix="/lib")
    config.add_route("entries", "/")
    config.add_route("link", "/entries/{id:[0-9]+}/link")
    config.add_route("login", "/login")
    config.scan("guestbook.views")
    return config.make_wsgi_app()
