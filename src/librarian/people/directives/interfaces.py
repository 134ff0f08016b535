"""The schemas of the directives: their attributes in ZCML."""

from zope.configuration.fields import Bool, Tokens
from zope.interface import Interface
from zope.schema import TextLine
from zope.security.zcml import Permission


class ICelebrityDirective(Interface):
    """A team that code refers to."""

    name = TextLine(title="The name of the team", required=True)
    title = TextLine(title="The display name that it is made with", required=True)


class ITokenScope(Interface):
    """The scope of an API token."""

    name = TextLine(title="As in ``upload`` or ``tracker:read``", required=True)
    title = TextLine(title="What a token with it may do", required=True)
    permissions = Tokens(title="What it may be used for", value_type=Permission(), required=False)
    everything = Bool(title="Whether it may be used for all that its owner may do", required=False)
    parameter = TextLine(title="What it can be narrowed to, as in ``prefix``", required=False)
