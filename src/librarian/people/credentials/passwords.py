"""Passwords: which are accepted, how they are kept, and how they are checked."""

import hashlib
import hmac
import secrets
import threading
import unicodedata
from collections import OrderedDict
from datetime import datetime, timedelta

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from librarian.people.credentials.interfaces import WeakPassword

SHORTEST, LONGEST = 12, 1024  # characters; argon2 itself would take any length, and any time for it
FEWEST_DIFFERENT = 5

# argon2id with RFC 9106's second recommended set (64 MiB, 3 passes, 4 lanes), the library's default.
_hasher = PasswordHasher()

# Of a random password that nobody knows: what is checked for somebody who does not exist or has no
# password, so that a wrong name takes as long as a wrong password.
NOBODYS_HASH = (
    "$argon2id$v=19$m=65536,t=3,p=4$V319X6+isYe1TfS260SBRQ$yznsx+EQCh4SdEZOTeoJU4kT21/3WW43WIp6Yc6V05Y"
)

# Long enough, and among the first that anybody tries.
_COMMON = frozenset(
    {
        "1234567890123",
        "123456789012",
        "1q2w3e4r5t6y",
        "1qaz2wsx3edc",
        "abcdef123456",
        "abcdefghijkl",
        "adminadminadmin",
        "administrator",
        "administrator1",
        "changeme1234",
        "correcthorsebatterystaple",
        "iloveyou1234",
        "letmeinletmein",
        "password12345",
        "password123456",
        "password1234",
        "passwordpassword",
        "qwertyuiop123",
        "qwertyuiop12",
        "welcome12345",
    }
)


def normalised(password: str) -> str:
    """The same letters however a keyboard composed them (RFC 8265, OpaqueString)."""
    return unicodedata.normalize("NFC", password)


def check_strength(password: str, *names: str | None) -> None:
    """Raises WeakPassword.  `names` are what others know about the person.

    Length and being unknown is what counts; there are no rules about kinds of letters (NIST SP
    800-63B, 3.1.1.2).
    """
    if len(password) < SHORTEST:
        raise WeakPassword(f"it needs at least {SHORTEST} characters")
    if len(password) > LONGEST:
        raise WeakPassword(f"it may have at most {LONGEST} characters")
    folded = password.casefold()
    if len(set(folded)) < FEWEST_DIFFERENT:
        raise WeakPassword(f"it needs at least {FEWEST_DIFFERENT} different characters")
    if folded in _COMMON:
        raise WeakPassword("it is among the first that are tried")
    if any(name and _is_made_of(folded, name.casefold()) for name in names):
        raise WeakPassword("it is little more than a name")


def _is_made_of(password: str, name: str) -> bool:
    return len(password.replace(name, "")) < SHORTEST // 2 and name in password


def hash_password(password: str) -> str:
    return _hasher.hash(normalised(password))


def matches(stored: str | None, password: str) -> bool:
    """Whether `password` is the one `stored` was made from; takes the same time when there is none."""
    try:
        return _hasher.verify(stored or NOBODYS_HASH, normalised(password)[:LONGEST]) and stored is not None
    except (VerificationError, InvalidHashError, UnicodeEncodeError):
        return False


def is_outdated(stored: str) -> bool:
    """Whether it was made with weaker parameters than new ones are."""
    return _hasher.check_needs_rehash(stored)


def generate_password() -> str:
    """96 random bits in 16 characters."""
    return secrets.token_urlsafe(12)


class CheckedLately:
    """Which passwords were right a few minutes ago, so that a program that sends one with every
    request does not cost an argon2 each time.

    Kept is a keyed hash, whose key dies with the process.  A change of password ends it at once,
    because the hash it was checked against is part of what is remembered.
    """

    AT_MOST = 1000
    LIFETIME = timedelta(minutes=5)

    def __init__(self) -> None:
        self._key = secrets.token_bytes(32)
        self._until: OrderedDict[bytes, datetime] = OrderedDict()
        self._lock = threading.Lock()

    def remember(self, stored: str, password: str, now: datetime) -> None:
        with self._lock:
            self._until[self._print(stored, password)] = now + self.LIFETIME
            while len(self._until) > self.AT_MOST:
                self._until.popitem(last=False)

    def knows(self, stored: str | None, password: str, now: datetime) -> bool:
        if stored is None:
            return False
        with self._lock:
            until = self._until.get(self._print(stored, password))
        return until is not None and now < until

    def _print(self, stored: str, password: str) -> bytes:
        text = f"{stored}\n{normalised(password)}".encode("utf-8", "surrogatepass")
        return hmac.new(self._key, text, hashlib.sha256).digest()
