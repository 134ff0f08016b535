"""``librarian completion``: what a shell needs to complete the command's words."""

import click
from click.shell_completion import get_completion_class

SHELLS = ("bash", "zsh", "fish")


@click.command()
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print the completion of this command for a SHELL.

    For bash: librarian completion bash > ~/.local/share/bash-completion/completions/librarian.  For zsh:
    into a file _librarian in a folder of $fpath.  For fish: ~/.config/fish/completions/librarian.fish.
    """
    found = get_completion_class(shell)
    assert found is not None
    program = ctx.find_root()
    name = str(program.info_name)
    variable = f"_{name}_COMPLETE".replace("-", "_").upper()
    template = found(program.command, {}, name, variable)
    click.echo(template.source_template % template.source_vars())
