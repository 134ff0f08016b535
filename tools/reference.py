"""The reference pages, written from the code into docs/reference/: interfaces, settings, commands.

What they say is said once: by the docstrings of interfaces, the comments beside the fields of settings, and
the help texts of commands.
"""

import importlib
import inspect
import io
import pkgutil
import re
import tokenize
from collections.abc import Iterator
from dataclasses import MISSING, fields
from datetime import timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import click
from zope.interface.interface import InterfaceClass

import librarian
from librarian.app import declared_sections
from librarian.commands.main import librarian as command
from librarian.interfaces import LibrarianError

TARGET = Path(__file__).resolve().parent.parent / "docs" / "reference"
NOTHING = "(nothing)"
UNITS = {
    "d": timedelta(days=1),
    "h": timedelta(hours=1),
    "m": timedelta(minutes=1),
    "s": timedelta(seconds=1),
}


def write_reference(target: Path = TARGET) -> None:
    """Write all pages; those that are as they were keep their time, so that Sphinx reads them once."""
    pages = {"settings": settings_page(), "commands": commands_page(), **interface_pages()}
    target.mkdir(exist_ok=True)
    for path in target.glob("*.rst"):
        if path.stem not in pages:
            path.unlink()
    for name, text in pages.items():
        path = target / f"{name}.rst"
        if not path.exists() or path.read_text() != text:
            path.write_text(text)


def title(text: str, line: str = "=") -> str:
    """A heading."""
    return f"{text}\n{line * len(text)}\n\n"


# -- interfaces


def interface_modules() -> Iterator[ModuleType]:
    """Every module called `interfaces`, by name."""
    names = (found.name for found in pkgutil.walk_packages(librarian.__path__, "librarian."))
    for name in sorted(name for name in names if name.rpartition(".")[2] == "interfaces"):
        yield importlib.import_module(name)


def interface_pages() -> dict[str, str]:
    """A page for each module of interfaces, and one that lists them."""
    modules = list(interface_modules())
    listed = "".join(f"   {module.__name__}\n" for module in modules)
    start = (
        title("Interfaces")
        + "What each package offers, with the errors that it raises on purpose. The page of a package\n"
        "begins with its story.\n\n.. toctree::\n   :maxdepth: 1\n\n" + listed
    )
    return {"interfaces": start, **{module.__name__: interface_page(module) for module in modules}}


def interface_page(module: ModuleType) -> str:
    """The story of a module, its interfaces and its errors."""
    name = module.__name__
    own = [each for each in vars(module).values() if getattr(each, "__module__", None) == name]
    page = title(name) + f".. automodule:: {name}\n\n"
    interfaces = [each for each in own if isinstance(each, InterfaceClass)]
    errors = [each for each in own if inspect.isclass(each) and issubclass(each, LibrarianError | OSError)]
    for heading, found, directive in (
        ("Interfaces", interfaces, "autointerface"),
        ("Errors", errors, "autoexception"),
    ):
        if found:
            page += title(heading, "-")
            page += "".join(f".. {directive}:: {name}.{each.__name__}\n   :members:\n\n" for each in found)
    return page


# -- settings


def settings_page() -> str:
    """Every section of settings of the standard site, with keys, defaults and meanings."""
    page = title("Settings")
    page += (
        "All settings stand in the section ``[app:main]`` of the ini file. Every system has sections of\n"
        "its own; a key that none of them has is refused at start-up.\n\n"
        "Two say of what an installation is made: ``librarian.site``, its ZCML file, a path or\n"
        "``package:file`` (without it the standard one), and ``librarian.systems``, names of those\n"
        "of other packages (:doc:`/doctests/embedding/adding-a-system`).\n\n"
    )
    for name, kind in sorted(declared_sections({}).items()):
        page += title(name, "-") + f"{paragraphs(kind.__doc__)}\n\n" + "".join(setting_lines(kind)) + "\n"
    return page


def setting_lines(kind: type[Any]) -> Iterator[str]:
    """The keys of a section as a definition list."""
    told = comments_of(kind)
    for each in fields(kind):
        default = shown_default(each.default)
        shown = f"``{default}``" if default else NOTHING
        if each.name not in told:
            raise LookupError(f"{kind.__module__}.{kind.__name__}: no comment says what {each.name} is")
        yield f"``{kind.key(each.name)}`` = {shown}\n    {escaped(told[each.name])}\n\n"


def shown_default(value: Any) -> str:
    """A default as an ini file writes it."""
    if value is MISSING or value is None:
        return ""
    if isinstance(value, timedelta):
        unit = next((name for name, size in UNITS.items() if not value % size), "s")
        return f"{value / UNITS[unit]:g}{unit}" if value else "0"
    if isinstance(value, tuple):
        return " ".join(map(str, value))
    return str(value).lower() if isinstance(value, bool) else str(value)


def comments_of(kind: type[Any]) -> dict[str, str]:
    """The comments beside and above the fields of a section and of those that it extends."""
    found: dict[str, str] = {}
    for base in reversed(kind.__mro__):
        if base.__module__.partition(".")[0] == "librarian":
            found |= comments_in(inspect.getsource(base))
    return found


def comments_in(source: str) -> dict[str, str]:
    """The comments of fields, by name, in the source of a class."""
    found: dict[str, str] = {}
    above: list[str] = []
    names = re.compile(r"\s+(\w+):")
    for token in tokenize.generate_tokens(io.StringIO(inspect.cleandoc(f"\n{source}")).readline):
        if token.type != tokenize.COMMENT:
            if token.type == tokenize.NAME and above and (field := names.match(token.line)):
                found.setdefault(field[1], " ".join(above))
                above = []
            continue
        text = token.string.lstrip("#: ").strip()
        field = names.match(token.line)
        if field is not None and not token.line.strip().startswith("#"):
            found[field[1]] = " ".join([*above, text])
            above = []
        elif token.line.strip().startswith("#"):
            above.append(text)
    return found


# -- commands


def commands_page() -> str:
    """Every command with its usage, its help and its options."""
    page = title("Commands") + f"{paragraphs(command.help)}\n\n"
    page += "The same is printed by ``--help``, and ``librarian completion`` has the shell complete it.\n\n"
    return page + "".join(command_part(one, context) for one, context in commands(command))


def commands(
    group: click.Command, above: click.Context | None = None
) -> Iterator[tuple[click.Command, click.Context]]:
    """A command and all below it, in the order of their names."""
    context = click.Context(group, above, info_name="librarian" if above is None else group.name)
    yield group, context
    if isinstance(group, click.Group):
        for name in group.list_commands(context):
            below = group.get_command(context, name)
            if below is not None and not below.hidden:
                yield from commands(below, context)


def command_part(one: click.Command, context: click.Context) -> str:
    """One command."""
    usage = " ".join(one.collect_usage_pieces(context))
    part = title(context.command_path, "-") + f"``{context.command_path} {usage}``\n\n"
    if context.parent is not None:
        part += f"{paragraphs(one.help)}\n\n"
    for parameter in one.get_params(context):
        record = parameter.get_help_record(context)
        if record is not None and isinstance(parameter, click.Option):
            environment = f" Variable: ``{parameter.envvar}``." if isinstance(parameter.envvar, str) else ""
            part += f"``{record[0]}``\n    {escaped(' '.join(record[1].split())) or NOTHING}{environment}\n\n"
    return part


def paragraphs(text: str | None) -> str:
    """A docstring as paragraphs of reStructuredText."""
    return escaped(inspect.cleandoc(text or "").replace("\b\n", ""))


def escaped(text: str) -> str:
    """Text that means nothing to reStructuredText, but for `names`, ``literals`` and lists."""
    pieces = re.split(r"(``[^`]+``|`[^`]+`)", text)
    return "".join(
        f"``{piece.strip('`')}``" if piece.startswith("`") else re.sub(r"\*(?! )|[|_\\]", r"\\\g<0>", piece)
        for piece in pieces
    )
