"""Which names, display names and e-mail addresses are accepted."""

import re
import unicodedata

from librarian.people.interfaces import BadDisplayName, BadEmail, BadName

_NAME = re.compile(r"[a-z0-9][a-z0-9.+-]{0,63}")
# Narrower than RFC 5322: no quoted local parts, no comments, nothing that could end a header line.
_EMAIL = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9]([A-Za-z0-9.-]{0,187}[A-Za-z0-9])?")
_UNSHOWABLE = ("Cc", "Cs", "Zl", "Zp")  # controls, lone surrogates, line and paragraph separators


def valid_name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise BadName(name)
    return name


def valid_display_name(display_name: str) -> str:
    shown = display_name.strip()
    if not 1 <= len(shown) <= 200 or any(unicodedata.category(one) in _UNSHOWABLE for one in shown):
        raise BadDisplayName(display_name)
    return shown


def valid_email(email: str) -> str:
    if not _EMAIL.fullmatch(email):
        raise BadEmail(email)
    return email
