"""``<securedutility>``, ``<systemprincipal>`` and ``<immutable>``.

zope.component's own ``<utility permission=...>`` protects a utility only where the caller wraps it;
here what getUtility() returns is wrapped already, so the checks cannot be left out by accident.
"""

from collections.abc import Callable, Iterable
from typing import Any

from zope.component.zcml import handler
from zope.configuration.exceptions import ConfigurationError
from zope.schema.interfaces import IField
from zope.security.checker import CheckerPublic, NoProxy, defineChecker, getCheckerForInstancesOf
from zope.security.interfaces import PUBLIC_PERMISSION_NAME
from zope.security.proxy import Proxy, removeSecurityProxy

from librarian.security.checkers import ActorChecker
from librarian.security.interfaces import IPrincipal
from librarian.security.principals import ScriptPrincipal

# Factories of secured utilities look up the tree, the bytes and the clock, which an application may register
# by <utility> after it has included the library; zope.component's actions have the order 0.
AFTER_PLAIN_UTILITIES = 1


class SecuredUtility:
    """The directive: gathers the protections, then registers a proxy."""

    def __init__(
        self,
        _context: Any,
        provides: Any,
        class_: Any = None,
        factory: Any = None,
        component: Any = None,
        name: str = "",
    ) -> None:
        makers = [maker for maker in (class_, factory) if maker is not None]
        if component is not None:
            makers.append(lambda: component)
        if len(makers) != 1:
            raise ConfigurationError("exactly one of class, factory and component is needed")
        self._context, self._provides, self._name = _context, provides, name
        self._make: Callable[[], Any] = makers[0]
        self._get: dict[str, Any] = {}
        self._set: dict[str, Any] = {}

    def allow(self, _context: Any, attributes: Iterable[str] = (), interface: Iterable[Any] = ()) -> None:
        """The subdirective `allow`: these attributes, and the names of these interfaces, are public."""
        self.require(_context, PUBLIC_PERMISSION_NAME, attributes, interface)

    def require(
        self,
        _context: Any,
        permission: str,
        attributes: Iterable[str] = (),
        interface: Iterable[Any] = (),
        set_attributes: Iterable[str] = (),
        set_schema: Iterable[Any] = (),
    ) -> None:
        """The subdirective `require`: `permission` for reading these names, and for setting those of `set_*`.

        Raises ConfigurationError where a name has another permission already, or none is given.
        """
        readable = [*attributes, *(name for one in interface for name in one)]
        settable = [*set_attributes, *(name for one in set_schema for name in _settable_fields(one))]
        if not readable and not settable:
            raise ConfigurationError("nothing is named to allow or require")
        _protect(self._get, readable, permission)
        _protect(self._set, settable, permission)

    def __call__(self) -> None:
        if not self._get and not self._set:
            raise ConfigurationError("a securedutility needs at least one <require> or <allow>")
        self._context.action(
            discriminator=("utility", self._provides, self._name),
            callable=self._register,
            args=(self._context.info,),
            order=AFTER_PLAIN_UTILITIES,
        )

    def _register(self, info: Any) -> None:
        utility = removeSecurityProxy(self._make())
        if not self._provides.providedBy(utility):
            raise ConfigurationError(f"{utility!r} does not provide {self._provides.__identifier__}")
        proxied = Proxy(utility, ActorChecker(self._get, self._set))
        handler("registerUtility", proxied, self._provides, self._name, info)


def _settable_fields(schema: Any) -> list[str]:
    return [name for name in schema if IField.providedBy(schema[name]) and not schema[name].readonly]


def _protect(protections: dict[str, Any], names: Iterable[str], permission: str) -> None:
    wanted = CheckerPublic if permission == PUBLIC_PERMISSION_NAME else permission
    for name in names:
        if protections.setdefault(name, wanted) is not wanted and protections[name] != wanted:
            raise ConfigurationError(f"{name!r} is given two permissions")


def systemprincipal(
    _context: Any,
    id: str,  # noqa: A002  # the attribute in ZCML
    title: str,
    permissions: Iterable[str] = (),
) -> None:
    """Register an IPrincipal under `id`, with `permissions` on every object."""
    _context.action(
        discriminator=("systemprincipal", id),
        callable=handler,
        args=("registerUtility", ScriptPrincipal(id, permissions, title), IPrincipal, id, _context.info),
    )


def immutable(_context: Any, class_: type) -> None:
    """Instances come out of a proxied object as they are, so that ``is`` and json work on them."""
    _context.action(discriminator=("immutable", class_), callable=_give_out_bare, args=(class_,))


def _give_out_bare(class_: type) -> None:
    # Checkers outlive a registry, so a process that is configured again has this one already.
    if getCheckerForInstancesOf(class_) is not NoProxy:
        defineChecker(class_, NoProxy)
