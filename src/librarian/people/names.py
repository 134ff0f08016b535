"""Rules for names, display names and e-mail addresses."""

import re
import unicodedata

from librarian.people.interfaces import BadDisplayName, BadEmail, BadName

_NAME = re.compile(r"[a-z0-9][a-z0-9.+-]{0,63}")
# Narrower than RFC 5322, section 3.4.1: no quoted local parts, no comments, no line ends.
_EMAIL = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9]([A-Za-z0-9.-]{0,187}[A-Za-z0-9])?")
_UNSHOWABLE = ("Cc", "Cs", "Zl", "Zp")  # controls, lone surrogates, line and paragraph separators


def valid_name(name: str) -> str:
    """`name`, if it is 1 to 64 of a-z, 0-9, ``.+-`` and begins with a letter or digit.  Raises BadName."""
    if not _NAME.fullmatch(name):
        raise BadName(name)
    return name


def valid_display_name(display_name: str) -> str:
    """`display_name` without outer spaces, 1 to 200 printable characters.  Raises BadDisplayName."""
    shown = display_name.strip()
    if not 1 <= len(shown) <= 200 or any(unicodedata.category(one) in _UNSHOWABLE for one in shown):
        raise BadDisplayName(display_name)
    return shown


def valid_email(email: str) -> str:
    """`email`, if mail can be sent to it: a subset of RFC 5322, section 3.4.1.  Raises BadEmail."""
    if not _EMAIL.fullmatch(email):
        raise BadEmail(email)
    return email
