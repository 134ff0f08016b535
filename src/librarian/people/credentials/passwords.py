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

# The default: argon2id, the second recommended set of RFC 9106, section 4 (64 MiB, 3 passes, 4 lanes).
_hasher = PasswordHasher()

# The hash of a random password that was thrown away.  It is checked for names without a password, so
# that a wrong name takes as long as a wrong password.
DUMMY_HASH = (
    "$argon2id$v=19$m=65536,t=3,p=4$V319X6+isYe1TfS260SBRQ$yznsx+EQCh4SdEZOTeoJU4kT21/3WW43WIp6Yc6V05Y"
)

# Long enough, and in every list of common passwords.
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
    """The password in Unicode form NFC (RFC 8265, section 4.2: OpaqueString)."""
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
    """The argon2id hash of a password, with its parameters and salt, in PHC string format."""
    return _hasher.hash(normalised(password))


def matches(stored: str | None, password: str) -> bool:
    """Whether `stored` is the hash of `password`; with None, False after the same time."""
    try:
        return _hasher.verify(stored or DUMMY_HASH, normalised(password)[:LONGEST]) and stored is not None
    except (VerificationError, InvalidHashError, UnicodeEncodeError):
        return False


def is_outdated(stored: str) -> bool:
    """Whether `stored` was made with other parameters than those of today."""
    return _hasher.check_needs_rehash(stored)


def generate_password() -> str:
    """96 random bits in 16 characters."""
    return secrets.token_urlsafe(12)


class CheckedLately:
    """The passwords that were right in the last LIFETIME, so that a program that sends one with every
    request does not need an argon2 (64 MiB, 0.1 s) each time.

    An entry is a hash with a key that is never stored.  The stored hash is part of it, so a change of
    password makes the entry useless at once.
    """

    AT_MOST = 1000
    LIFETIME = timedelta(minutes=5)

    def __init__(self) -> None:
        self._key = secrets.token_bytes(32)
        self._until: OrderedDict[bytes, datetime] = OrderedDict()
        self._lock = threading.Lock()

    def remember(self, stored: str, password: str, now: datetime) -> None:
        """Note that the password was found to match the stored hash at `now`."""
        with self._lock:
            self._until[self._print(stored, password)] = now + self.LIFETIME
            while len(self._until) > self.AT_MOST:
                self._until.popitem(last=False)

    def knows(self, stored: str | None, password: str, now: datetime) -> bool:
        """Whether the password matched the stored hash less than LIFETIME ago."""
        if stored is None:
            return False
        with self._lock:
            until = self._until.get(self._print(stored, password))
        return until is not None and now < until

    def _print(self, stored: str, password: str) -> bytes:
        text = f"{stored}\n{normalised(password)}".encode("utf-8", "surrogatepass")
        return hmac.new(self._key, text, hashlib.sha256).digest()
