"""Feature flags: rules that switch behaviour for some requests, without a restart.

A *rule* says: in this scope, this flag has this value.  A *scope* is a property of a request: ``default`` is
that of all requests; the web layer defines the others (for instance an endpoint, or a team that the person
who asks is a member of).  Of the rules for a flag whose scope a request is in, the one with the highest
priority decides.  (Flag, scope, value and priority are as in Launchpad's feature flags.)

Code asks with `current.feature(name)`.  The first question of a request reads the rules from the tree and
decides all flags for the rest of the request, so that a rule that is changed meanwhile takes effect in the
next request only.  Outside of a request no flag has a value.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from zope.interface import Interface

# ruff: noqa: N805  # zope.interface methods are written without self

DEFAULT_SCOPE = "default"


@dataclass(frozen=True, order=True, slots=True)
class FeatureRule:
    """In `scope`, `flag` is `value`, unless a rule with a higher `priority` says otherwise."""

    flag: str
    scope: str
    priority: int
    value: str


class IFeatureRules(Interface):
    """The rules in force, kept where all processes see them."""

    def __iter__() -> Iterator[FeatureRule]:
        """All rules, by flag."""

    def set(rule: FeatureRule) -> None:
        """Put `rule` in the place of the one with its flag and scope, when the transaction commits."""

    def unset(flag: str, scope: str = DEFAULT_SCOPE) -> bool:
        """Remove the rule for `flag` in `scope`; whether there was one."""
