"""What the pages in Markdown show: their blocks of code, and the code within lines."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent

CHECKOUT = Path(__file__).resolve().parent.parent.parent
PAGES = sorted(
    path
    for path in (*CHECKOUT.glob("*.md"), *CHECKOUT.glob("docs/*.md"))
    if path.name not in ("CHANGES.md", "changes.md", "readme.md", "contributing.md")
)
_WITHIN = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
_FENCE = "```"
_INDENT = "    "
#: The program, behind the folder or the times that a line of cron or of systemd has in front.
_COMMAND = re.compile(r"(?:^|[\s/=])librarian +(?=[a-z]|--)(?!librarian-)")


@dataclass(frozen=True)
class Block:
    """One block of code: the page's name, the number of its first line, what a fence says it is, its text."""

    page: str
    line: int
    kind: str
    text: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"

    def commands(self) -> Iterator[list[str]]:
        """The words behind `librarian` of each command, as a shell splits them."""
        for line in self.text.replace("\\\n", " ").splitlines():
            found = _COMMAND.search(line)
            if found and not line.lstrip().startswith("#"):
                yield words(line[found.end() :])


def words(line: str) -> list[str]:
    """The words of a command, up to a comment, a pipe or the next command."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars=";|&>")
    lexer.commenters, lexer.whitespace_split = "#", True
    found: list[str] = []
    for word in lexer:
        if set(word) <= set(";|&>"):
            break
        found.append(word)
    return found


def blocks() -> Iterator[Block]:
    """All blocks of all pages, indented and fenced."""
    for path in PAGES:
        page, lines = path.relative_to(CHECKOUT), path.read_text("utf-8").splitlines()
        number = 0
        while number < len(lines):
            first, kind, taken = number, "", 0
            if lines[number].startswith(_FENCE):
                kind, first = lines[number].removeprefix(_FENCE), number + 1
                taken = lines[first:].index(_FENCE)
            elif lines[number].startswith(_INDENT) and (not number or not lines[number - 1].strip()):
                taken = length_of_indented(lines[number:])
            if taken:
                yield Block(str(page), first + 1, kind, dedent("\n".join(lines[first : first + taken])))
            number = max(first + taken, number) + 1


def length_of_indented(lines: list[str]) -> int:
    """How many of these lines are of the block that begins with them."""
    length = 0
    for number, line in enumerate(lines, 1):
        if line.startswith(_INDENT):
            length = number
        elif line.strip():
            break
    return length


def within_lines() -> Iterator[Block]:
    """The code within the lines of all pages, but for that in blocks."""
    for path in PAGES:
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
            if not line.startswith(_INDENT):
                for code in _WITHIN.findall(line):
                    yield Block(str(path.relative_to(CHECKOUT)), number, "within", code)
