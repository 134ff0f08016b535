"""Writes the ini files, configure.zcml and examples/ from the templates of `librarian init`.

bin/py tools/examples.py
"""

from pathlib import Path

from librarian.commands.installing.written import (
    LOGROTATE,
    NGINX,
    PRODUCTION,
    PUBLISHED_SECRET,
    SITE,
    SYSTEMD,
    TRIAL,
    Names,
    rendered,
)

ROOT = Path(__file__).parent.parent
SHIPPED = Names(
    ini="/etc/librarian/production.ini",
    data="/var/lib/librarian",
    site="configure.zcml",
    secret=PUBLISHED_SECRET,
)
TRIED = Names(ini="development.ini", data="%(here)s/var", site="configure.zcml")


def examples() -> dict[str, str]:
    """The texts of the files, by their paths below the root of the checkout."""
    top = {
        "configure.zcml": rendered(SITE, SHIPPED)["site.zcml"],
        "production.ini": rendered(PRODUCTION, SHIPPED)["librarian.ini"],
        "development.ini": rendered(TRIAL, TRIED)["librarian.ini"],
    }
    beside = rendered(NGINX | SYSTEMD | LOGROTATE, SHIPPED)
    return top | {f"examples/{name}": text for name, text in beside.items()}


def main() -> None:
    """Write them."""
    for name, text in examples().items():
        ROOT.joinpath(name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
