"""``librarian feature``: switch behaviour for some requests."""

import json

import click
import transaction
from zope.component import getUtility

from librarian.commands.common.site import ini_option, opened_site
from librarian.features.interfaces import DEFAULT_SCOPE, FeatureRule, IFeatureRules


@click.group()
def feature() -> None:
    """Feature flags: show, set and unset their rules."""


@feature.command("list")
@ini_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for scripts.")
def list_rules(ini: str, as_json: bool) -> None:
    """Print every rule: flag, scope, priority, value."""
    with opened_site(ini):
        for rule in getUtility(IFeatureRules):
            facts = {"flag": rule.flag, "scope": rule.scope, "priority": rule.priority, "value": rule.value}
            click.echo(json.dumps(facts) if as_json else "\t".join(map(str, facts.values())))


@feature.command("set")
@click.argument("flag")
@click.argument("value")
@click.option("--scope", default=DEFAULT_SCOPE, show_default=True, help="default, team:NAME or person:NAME.")
@click.option("--priority", default=1, show_default=True, help="The highest that applies decides.")
@ini_option
def set_rule(flag: str, value: str, scope: str, priority: int, ini: str) -> None:
    """Have FLAG be VALUE in a scope."""
    with opened_site(ini):
        getUtility(IFeatureRules).set(FeatureRule(flag, scope, priority, value))
        transaction.commit()


@feature.command("unset")
@click.argument("flag")
@click.option("--scope", default=DEFAULT_SCOPE, show_default=True)
@ini_option
def unset_rule(flag: str, scope: str, ini: str) -> None:
    """Remove the rule for FLAG in a scope."""
    with opened_site(ini):
        found = getUtility(IFeatureRules).unset(flag, scope)
        transaction.commit()
    if not found:
        raise click.ClickException(f"no rule for {flag} in {scope}")
