"""What is found wrong with an installation before it is started."""

from dataclasses import dataclass
from typing import TypeVar

from librarian.interfaces import ISettings
from librarian.settings import Section

S = TypeVar("S", bound=Section)

ERROR, WARNING = "error", "warning"


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong: an error keeps the installation from working, a warning does not."""

    severity: str
    what: str  # a setting, an endpoint, a path
    why: str

    def __str__(self) -> str:
        return f"{self.severity:<8} {self.what}: {self.why}"


@dataclass(frozen=True)
class Installation:
    """What an ini file says, without anything of it made or opened."""

    ini: str
    settings: ISettings  # only sections without refusals are asked for
    sections: dict[str, type[Section]]  # that the site declares, by name
    server: dict[str, str]  # [server:main]
    refused: frozenset[type[Section]]  # sections that cannot be read

    def section_or_default(self, kind: type[S]) -> S:
        """A section, as it is without any setting where it cannot be read."""
        return kind() if kind in self.refused else self.settings.section(kind)


def error(what: str, why: str) -> Finding:
    """A finding that keeps the installation from working."""
    return Finding(ERROR, what, why)


def warning(what: str, why: str) -> Finding:
    """A finding to look at, with which it works all the same."""
    return Finding(WARNING, what, why)
