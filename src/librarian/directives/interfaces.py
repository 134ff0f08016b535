"""The schemas of the directives for applications: their attributes in ZCML."""

from zope.configuration.fields import Path
from zope.interface import Interface


class ISettingsDirective(Interface):
    """Settings by their names in an ini file without ``librarian.``, such as ``database_uri="file://..."``."""

    ini = Path(
        title="An ini file whose [app:main] settings count where no attribute says otherwise", required=False
    )


# Any other attribute is a setting.
ISettingsDirective.setTaggedValue("keyword_arguments", True)


class IStartDirective(Interface):
    """Brings the tree up to date and checks the settings, once everything is registered."""
