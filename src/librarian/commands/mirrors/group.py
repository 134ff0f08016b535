"""``librarian mirrors``: the registry of mirrors and their prober."""

import click

from librarian.commands.mirrors import distributions, imports, probe, registry

COMMANDS = (
    probe.probe,
    imports.import_archive,
    imports.import_publications,
    imports.import_image_list,
    distributions.add_distribution,
    distributions.set_release,
    registry.add,
    registry.review,
    registry.enable,
    registry.disable,
    registry.list_mirrors,
)


@click.group()
def mirrors() -> None:
    """Mirrors of a distribution: register, probe, list."""


for command in COMMANDS:
    mirrors.add_command(command)
