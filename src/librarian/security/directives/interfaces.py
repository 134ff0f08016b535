"""The schemas of the directives: their attributes in ZCML."""

from zope.configuration.fields import GlobalInterface, GlobalObject, PythonIdentifier, Tokens
from zope.interface import Interface
from zope.schema import TextLine
from zope.security.zcml import Permission


class ISecuredUtility(Interface):
    """A utility that comes out of getUtility() in a security proxy."""

    provides = GlobalInterface(title="The interface it is found by", required=True)
    class_ = GlobalObject(title="A class to make it from", required=False)
    factory = GlobalObject(title="A callable that makes it", required=False)
    component = GlobalObject(title="The utility itself", required=False)
    name = TextLine(title="The name it is found by", required=False, default="")


class IAllow(Interface):
    """Names that every principal may use."""

    attributes = Tokens(title="Names", value_type=PythonIdentifier(), required=False)
    interface = Tokens(title="Interfaces with the names", value_type=GlobalInterface(), required=False)


class IRequire(IAllow):
    """Names that need a permission."""

    permission = Permission(title="The permission", required=True)
    set_attributes = Tokens(title="Names that may be set", value_type=PythonIdentifier(), required=False)
    set_schema = Tokens(title="Schemas whose fields may be set", value_type=GlobalInterface(), required=False)


class ISystemPrincipal(Interface):
    """A script and what it may do."""

    id = TextLine(title="Its name", required=True)
    title = TextLine(title="What it is", required=True)
    permissions = Tokens(title="What it may do", value_type=Permission(), required=False)


class IImmutable(Interface):
    """A class whose instances cannot be changed and hold nothing that can."""

    class_ = GlobalObject(title="An enumeration, a frozen dataclass, a named tuple", required=True)
