"""Sphinx: the pages of this folder, those at the root of the checkout and, through the link beside this file,
every document under doctests/."""

import re
from pathlib import Path
from typing import Any

from tools.reference import escaped

CHECKOUT = Path(__file__).resolve().parent.parent
ROOT_PAGES = {"README.md": "readme.md", "CONTRIBUTING.md": "contributing.md", "CHANGES.md": "changes.md"}
LINK = re.compile(r"\[([^]]+)\]\(([^)]+)\)")

project = "librarian"
project_copyright = "2026, the librarian contributors"
extensions = ["myst_parser", "sphinx.ext.autodoc", "repoze.sphinx.autointerface"]
source_suffix = {".rst": "restructuredtext", ".md": "markdown"}
exclude_patterns = ["_build"]
highlight_language = "pycon3"
html_theme = "alabaster"
html_theme_options = {"description": "A self-hosted library of files for applications"}
# Headings of README and CHANGES can be linked to.
myst_heading_anchors = 3


def link_from_here(link: re.Match[str]) -> str:
    """A link as it stands in a page at the root, where people read it on a forge, made to fit this folder."""
    text, target = link[1], link[2].removeprefix("docs/")
    if target.endswith(".rst"):  # below a symbolic link, which only this role follows
        return f"{{doc}}`{text} </{target.removesuffix('.rst')}>`"
    return f"[{text}]({ROOT_PAGES.get(target, target)})"


def read_root_page(app: Any, name: str, source: list[str]) -> None:
    """Give a page its text from the root.  (myst's include leaves links to other folders broken.)"""
    for origin, page in ROOT_PAGES.items():
        if page == f"{name}.md":
            app.env.note_dependency(str(CHECKOUT / origin))
            source[0] = LINK.sub(link_from_here, (CHECKOUT / origin).read_text(encoding="utf-8"))


def show_names_as_literals(
    _app: Any, _what: str, _name: str, _thing: Any, _options: Any, lines: list[str]
) -> None:
    """Docstrings are read in the code first; for Sphinx a `name` is a ``literal``."""
    lines[:] = escaped("\n".join(lines)).split("\n")


def setup(app: Any) -> None:
    app.connect("autodoc-process-docstring", show_names_as_literals)
    app.connect("source-read", read_root_page)
