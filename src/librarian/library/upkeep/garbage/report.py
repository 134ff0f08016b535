"""The report of a run of the collector; of a dry run, the removals that it would make."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Action:
    """One thing done, or, in a dry run, that would be done."""

    step: str
    verb: str  # expired, marked, unmarked, dropped, forgotten, swept
    kind: str  # alias, content, bytes, upload, token, upload link
    what: str  # the alias's, upload's, token's or link's id, or the sha256
    name: str = ""  # the alias's filename, or the token's path
    size: int = 0  # bytes that this gives back

    def __str__(self) -> str:
        return " ".join(part for part in (self.verb, self.kind, self.what, self.name) if part)


@dataclass
class Report:
    """The number of objects that each step saw, and the number it removed or changed."""

    seen: dict[str, int] = field(default_factory=dict)
    done: dict[str, dict[str, int]] = field(default_factory=dict)  # step -> verb -> number
    freed: int = 0  # bytes
    skipped: dict[str, str] = field(default_factory=dict)  # step -> why it was left out
    held_back: int = 0  # files that a sweep did not remove because they were so many
    full: bool = False  # a step was left out for want of room, even with the reserve

    def add(self, action: Action) -> None:
        """Count an action under its step and verb, and its bytes as freed."""
        verbs = self.done.setdefault(action.step, {})
        verbs[action.verb] = verbs.get(action.verb, 0) + 1
        self.freed += action.size
