"""The settings of a library that another application has mounted."""

from dataclasses import dataclass

from zope.interface import provider

from librarian.interfaces import ISettingsSection
from librarian.settings import Section


@provider(ISettingsSection)
@dataclass(frozen=True)
class EmbeddedSettings(Section):
    """How the library looks in the application around it; of no use to a server of its own."""

    mount_url: str = ""  # of the prefix, as clients reach it: https://shop.example.org/lib/
    mounted_endpoints: tuple[str, ...] = ("public",)  # beside the pages; each below + and its name
    # The application knows who is logged in; there is no log-in of the library's own.
    host_authentication: bool = False
    layout: str = ""  # a template in place of the library's: shop:templates/library.jinja2
