"""The texts of mails to owners of mirrors: switched off, switched on again, certificate ending."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby

from librarian.mirrors.enums import FindingKind

LOG_LINES = 20
URLS_PER_KIND = 10

_SAID = {
    FindingKind.MISSING: "Not there",
    FindingKind.INCOMPLETE: "Not there, though the archive's indices list it",
    FindingKind.TIMEOUT: "No answer in time",
    FindingKind.UNREACHABLE: "Not reachable",
    FindingKind.CERTIFICATE: "A certificate that is not trusted",
    FindingKind.CERTIFICATE_EXPIRES: "A certificate about to expire",
    FindingKind.REDIRECTED_ELSEWHERE: "Redirected to another file",
    FindingKind.REDIRECT_LOOP: "Redirected in circles",
    FindingKind.ADDRESS_REFUSED: "An address that is not public",
    FindingKind.SKIPPED: "Given up after too many time-outs",
    FindingKind.SOFT_404: "A file that never existed is answered with 200, so nothing can be verified",
    FindingKind.SIZE_DIFFERS: "Another size than listed",
    FindingKind.WRONG_BYTES: "Other bytes than the archive's",
    FindingKind.RELEASE_DIFFERS: "A Release file the archive never had",
    FindingKind.RELEASE_EXPIRED: "A Release file past its Valid-Until",
    FindingKind.RELEASE_STALE: "A Release file behind the archive's",
    FindingKind.BAD_SIGNATURE: "A Release file without a good signature",
    FindingKind.FAMILY_DOWN: "Does not answer over one kind of address",
}


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something wrong with a mirror, and since which probe."""

    kind: FindingKind
    url: str
    since: datetime


@dataclass(frozen=True, slots=True)
class MailText:
    """A subject and a body."""

    subject: str
    body: str


@dataclass(frozen=True, slots=True)
class MirrorFacts:
    """The facts of a mirror that a mail states."""

    name: str
    distribution: str
    base_url: str
    owner: str  # as the letter addresses them


def failed(mirror: MirrorFacts, failures: int, troubles: Sequence[Trouble], log: bytes) -> MailText:
    """The mirror was switched off after `failures` bad probes in a row."""
    times = "once" if failures <= 1 else f"{failures} times in a row"
    return MailText(
        f"Verification of {mirror.name} failed",
        f"Hello {mirror.owner},\n\n"
        f"the mirror {mirror.name} of {mirror.distribution}, at\n\n    {mirror.base_url}\n\n"
        f"was probed and failed {times}. It is switched off now, and in no list of mirrors.\n"
        "It will be probed again, and comes back by itself once a probe finds it well.\n\n"
        f"What is wrong:\n\n{describe(troubles)}\n"
        f"The first lines of the log:\n\n{_first_lines(log)}",
    )


def recovered(mirror: MirrorFacts, down_since: datetime | None) -> MailText:
    """The mirror was switched on again."""
    since = f", after being off since {_moment(down_since)}" if down_since else ""
    return MailText(
        f"Verification of {mirror.name} succeeded",
        f"Hello {mirror.owner},\n\n"
        f"the mirror {mirror.name} of {mirror.distribution}, at\n\n    {mirror.base_url}\n\n"
        f"was probed and is well again{since}. It is switched on.\n",
    )


def warned(mirror: MirrorFacts, expires: datetime) -> MailText:
    """The certificate of a working mirror will expire soon."""
    return MailText(
        f"Certificate of {mirror.name} expires soon",
        f"Hello {mirror.owner},\n\n"
        f"the certificate of the mirror {mirror.name} of {mirror.distribution}, at\n\n"
        f"    {mirror.base_url}\n\n"
        f"is valid until {_moment(expires)}. After that the mirror will fail verification.\n",
    )


def describe(troubles: Sequence[Trouble]) -> str:
    """The troubles by kind, each with its URL and the time it was first seen, newest first."""
    paragraphs = []
    ordered = sorted(troubles, key=lambda each: (each.kind.value, -each.since.timestamp(), each.url))
    for kind, group in groupby(ordered, key=lambda each: each.kind):
        members = list(group)
        lines = [f"  {_SAID[kind]}:"]
        lines += [f"    {each.url}  (since {_moment(each.since)})" for each in members[:URLS_PER_KIND]]
        if len(members) > URLS_PER_KIND:
            lines.append(f"    and {len(members) - URLS_PER_KIND} more")
        paragraphs.append("\n".join(lines) + "\n")
    return "\n".join(paragraphs) or "  The mirror has none of the files it should have.\n"


def _first_lines(log: bytes) -> str:
    lines = log.decode(errors="replace").splitlines()[:LOG_LINES]
    return "".join(f"    {line}\n" for line in lines)


def _moment(when: datetime) -> str:
    return f"{when:%Y-%m-%d %H:%M} UTC"
