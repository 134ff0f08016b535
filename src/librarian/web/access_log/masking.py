"""Tokens in URLs, which give access to a file and never get into a log."""

import re

MASKED = "***"
_ALPHABET = "0-9bcdfghjklmnpqrstvwxzBCDFGHJKLMNPQRSTVWXZ"  # of tokens in links
_ENCODED = "%(?:25)*"  # a percent sign, encoded as often as you like


def _either(letter: str) -> str:
    codes = "|".join(f"{ord(each):02x}" for each in {letter, letter.upper()})
    return f"(?:{letter}|{_ENCODED}(?:{codes}))"


# What parts a path from parameters, also in a URL that is malformed.
_BEYOND_PATH = re.compile(f"[?&;#]|{_ENCODED}(?:3f|26|3b|23)", re.IGNORECASE)
# A name that ends in "token", or any value that could be a token of ours, up to what ends a parameter;
# letters and signs may be percent-encoded.  What lies behind an encoded "&" is masked along.
_SECRET = re.compile(
    f"({''.join(map(_either, 'token'))}(?:[+ ]|{_ENCODED}20)*{_either('=')})[^&;#]*"
    f"|(?<=[=?&;#])[{_ALPHABET}]{{32}}(?![0-9A-Za-z])",
    re.IGNORECASE,
)


# What follows "/+drop/" in a path is the secret of an upload link; letters and signs as above.
_DROP = re.compile(
    f"((?:[+]|{_ENCODED}2b){''.join(map(_either, 'drop'))}(?:/|{_ENCODED}2f))[^?&;#]+", re.IGNORECASE
)


def masked(url: str) -> str:
    """`url` with the values of all parameters whose names end in ``token``, and whatever could be a
    token of ours, replaced: wherever they stand, since what is malformed is logged too.  So is what follows
    ``/+drop/`` in a path."""
    url = _DROP.sub(lambda found: found[1] + MASKED, url)
    begins = _BEYOND_PATH.search(url)
    if begins is None:
        return url
    start = begins.start()
    return url[:start] + _SECRET.sub(lambda found: f"{found[1] or ''}{MASKED}", url[start:])
