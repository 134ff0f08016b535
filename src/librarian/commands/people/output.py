"""The output of the commands on people: columns, or with ``--json`` JSON."""

import json
from collections.abc import Mapping
from typing import Any

import click

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def print_fields(described: Mapping[str, Any], as_json: bool) -> None:
    """Print one object, a line for each field."""
    if as_json:
        click.echo(json.dumps(described))
        return
    for key, value in described.items():
        shown = ", ".join(value) if isinstance(value, list) else value
        click.echo(f"{key.replace('_', ' '):<14} {'' if shown is None else shown}".rstrip())


def print_rows(rows: list[dict[str, Any]], as_json: bool) -> None:
    """Print objects of the same fields, a line for each object."""
    if as_json:
        click.echo(json.dumps(rows))
        return
    for row in rows:
        click.echo("  ".join(f"{value!s:<20}" for value in row.values()).rstrip())
