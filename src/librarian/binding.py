"""Stored objects bound to the services they need.

A class in a `model` module holds state and looks nothing up.  Its bound class, in the package's `service`
module, is a transparent proxy that adds what needs a clock, URLs, bytes or other objects of the tree.
Services hand out bound objects; what is stored in the tree is always the object itself.
"""

from pickle import PicklingError
from typing import Any, NoReturn, Self

from zope.proxy import getProxiedObject
from zope.proxy.decorator import SpecificationDecoratorBase


class Bound(SpecificationDecoratorBase):
    """A stored object with the attributes and methods of a subclass around it.

    An attribute that the subclass does not define is read from and written to the stored object; so are
    equality, hash and repr.  The interfaces are those of both.  Where both have a method of one name, that of
    the stored object is called, unless the other is `zope.proxy.non_overridable`; a property always wins.
    A bound object cannot be pickled: a commit that would store one, and its services with it, raises
    PicklingError.
    """

    __slots__ = ("_services",)

    def __new__(cls, stored: Any, services: Any) -> Self:
        bound: Self = super().__new__(cls, stored)
        return bound

    def __init__(self, stored: Any, services: Any) -> None:
        super().__init__(stored)
        self._services = services

    @property
    def _p_oid(self) -> NoReturn:
        # ZODB would store a reference to an object with an id, and the class of this proxy in it.
        raise AttributeError("_p_oid")

    @property
    def __reduce_ex__(self) -> NoReturn:  # noqa: PLE0302  # a property, as a method would be passed over
        raise PicklingError(f"{self!r} is bound to services; store the object itself")


def stored(thing: Any) -> Any:
    """The stored object that a bound one is wrapped around; any other object as it is."""
    # Not isinstance(): it asks a proxy's __class__, which is that of the stored object.
    return getProxiedObject(thing) if issubclass(type(thing), Bound) else thing
