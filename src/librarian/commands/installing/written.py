"""The files of an installation: an ini file, a site, and what nginx, systemd and logrotate want to know.

They are made from the templates beside this module; those in examples/ are made from the same.
"""

import errno
import os
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

PUBLISHED_SECRET = "CHANGE-ME-openssl-rand-hex-32"  # noqa: S105  # refused by the setting it stands for

#: template -> the file's name, by the part of an installation
SITE = {"site.zcml": "site.zcml"}
TRIAL = {"development.ini": "librarian.ini"}
PRODUCTION = {"production.ini": "librarian.ini"}
NGINX = {"nginx.conf": "nginx.conf"}
SYSTEMD = {
    "librarian.service": "systemd/librarian.service",
    "librarian-upkeep.service": "systemd/librarian-upkeep.service",
    "librarian-upkeep.timer": "systemd/librarian-upkeep.timer",
    "upkeep.sh": "upkeep.sh",
}
LOGROTATE = {"logrotate.conf": "logrotate.conf"}

INI = "librarian.ini"
TRIAL_DATA = "%(here)s/data"

SECRET = (".ini", ".conf")  # what may hold one; nginx reads its configuration as root


@dataclass(frozen=True)
class Names:
    """What the files name: paths, hosts, the user, and the secret of server and front end."""

    ini: str  # the absolute path of the ini file
    data: str  # the folder of the tree and of the bytes
    logs: str = "/var/log/librarian"
    backup: str = "/srv/backup/librarian"
    program: str = "/opt/librarian/bin/librarian"
    upkeep: str = "/opt/librarian/bin/librarian-upkeep"  # the script of every night
    certificates: str = "/etc/ssl/librarian"
    files_host: str = "files.example.org"
    app_host: str = "library.example.org"
    user: str = "librarian"
    site: str = "site.zcml"  # beside the ini file
    accel: bool = False  # whether nginx sends the bytes
    secret: str = field(default_factory=lambda: secrets.token_hex(32))


def rendered(templates: Mapping[str, str], names: Names) -> dict[str, str]:
    """The texts of the files that `templates` stand for, by the names of the files."""
    environment = Environment(
        loader=PackageLoader(__package__),
        undefined=StrictUndefined,
        trim_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701  # none of these is HTML
    )
    return {
        name: environment.get_template(f"{template}.jinja2").render(asdict(names))
        for template, name in templates.items()
    }


def write_new_files(folder: Path, texts: Mapping[str, str], group: int | None = None) -> list[Path]:
    """Write `texts` below `folder`, and return the paths in the order of writing.

    Those that may hold a secret are for their owner, and, if it is given, for `group` to read.  Raises
    FileExistsError, before anything is written, for the first that is there already.
    """
    paths = [folder / name for name in texts]
    for path in paths:
        if path.exists():
            raise FileExistsError(errno.EEXIST, "is there already, and is left as it is", str(path))
    for path, text in zip(paths, texts.values(), strict=True):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(0o600, exist_ok=False)
        path.write_text(text, encoding="utf-8")
        if path.suffix not in SECRET:
            path.chmod(0o755 if path.suffix == ".sh" else 0o644)
        elif group is not None and path.suffix == ".ini":
            os.chown(path, -1, group)
            path.chmod(0o640)
    return paths


def write_trial(folder: Path) -> Path:
    """Write an installation for this machine, as `librarian init` without host names; the ini file.

    Raises FileExistsError as write_new_files().
    """
    ini = folder / INI
    write_new_files(folder, rendered({**SITE, **TRIAL}, Names(str(ini), data=TRIAL_DATA)))
    return ini
