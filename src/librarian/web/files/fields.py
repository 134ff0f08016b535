"""Header fields that describe a file, whatever the status of the answer."""

from collections.abc import Mapping

from librarian.web.digests import repr_digest, wants_sha256
from librarian.web.files.conditions import http_date
from librarian.web.files.disposition import content_disposition, presentation
from librarian.web.files.facts import FileFacts, Header

# sandbox keeps scripts, forms and plugins of a file from running wherever it is shown, and gives it an
# opaque origin; the rest keeps it from calling out, and leaves a page on a per-file host its
# inline styles and a browser's image and video viewers the file they were opened for.
_SAFETY = (
    ("X-Content-Type-Options", "nosniff"),
    (
        "Content-Security-Policy",
        "sandbox; default-src 'none'; img-src 'self' data:; media-src 'self'; style-src 'unsafe-inline'",
    ),
    ("Referrer-Policy", "no-referrer"),
)
# A public file may be embedded anywhere, also by pages that isolate themselves (COEP).  A restricted
# one only by pages of the same site: a restricted endpoint trusts its network, and so would answer the
# browser of anyone inside it on behalf of a foreign page.
_PUBLIC = (("Cross-Origin-Resource-Policy", "cross-origin"), *_SAFETY)
_RESTRICTED = (("Cross-Origin-Resource-Policy", "same-site"), *_SAFETY)


# On each answer of an endpoint that is not for browsers: there may be a token in the URL, also of a refusal.
ALWAYS = (("Referrer-Policy", "no-referrer"), ("X-Content-Type-Options", "nosniff"))


def with_always(headers: list[Header]) -> list[Header]:
    """`headers`, and those of ALWAYS that are not among them."""
    stated = {name.lower() for name, _value in headers}
    return headers + [(name, value) for name, value in ALWAYS if name.lower() not in stated]


def describe(common: list[Header], headers: Mapping[str, str], facts: FileFacts) -> None:
    """Add digest, date and safety headers, which go with the bytes (RFC 9530, 3; RFC 9110, 8.8.2)."""
    wanted = headers.get("want-repr-digest")
    if wanted is not None and wants_sha256(wanted):
        common.append(("Repr-Digest", repr_digest(facts.sha256)))
    common.append(("Last-Modified", http_date(facts.last_modified)))
    common.extend(_RESTRICTED if facts.restricted else _PUBLIC)


def unkept(facts: FileFacts) -> tuple[Header, ...]:
    """``no-store`` (RFC 9111, section 5.2.2.5) for refusals that tell the size of a restricted file."""
    return (("Cache-Control", cache_control(facts)),) if facts.restricted else ()


def cache_control(facts: FileFacts) -> str:
    """The value of Cache-Control (RFC 9111, section 5.2.2; ``immutable``: RFC 8246)."""
    if facts.restricted:
        return "private, no-store"
    # What is not verified may be kept if it is asked about each time, so that damage is not kept unseen.
    return "public, max-age=31536000, immutable" if facts.immutable and facts.verified else "public, no-cache"


def add_disposition(headers: list[Header], facts: FileFacts) -> None:
    """Add Content-Disposition (RFC 6266) if the file has a name."""
    if facts.filename is not None:
        shown = presentation(facts.mimetype)
        inline = shown.inert or (facts.own_host and shown.viewable)
        headers.append(("Content-Disposition", content_disposition(facts.filename, inline=inline)))
