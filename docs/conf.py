"""Sphinx: the pages of this folder and, through the link beside this file, every document under doctests/."""

project = "librarian"
project_copyright = "2026, the librarian contributors"
extensions = ["myst_parser"]
source_suffix = {".rst": "restructuredtext", ".md": "markdown"}
exclude_patterns = ["_build"]
highlight_language = "pycon3"
html_theme = "alabaster"
html_theme_options = {"description": "A self-hosted library of files for applications"}
# Headings of the included README and CHANGES can be linked to.
myst_heading_anchors = 3
