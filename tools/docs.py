"""bin/docs: the HTML pages; a warning is an error."""

import sys
from pathlib import Path

from sphinx.cmd.build import main as sphinx_build

from tools.reference import write_reference

CHECKOUT = Path(__file__).resolve().parent.parent


def main() -> None:
    write_reference()
    source, target = CHECKOUT / "docs", CHECKOUT / "docs" / "_build" / "html"
    status = sphinx_build(["-q", "-W", "--keep-going", "-b", "html", str(source), str(target)])
    if not status:
        print(f"docs: {target / 'index.html'}")
    sys.exit(status)
