"""Digest fields as clients get them wrong."""

import hashlib
import unittest
from base64 import b64encode

from hypothesis import given
from hypothesis import strategies as st

from librarian.web.digests import MAX_FIELD_LENGTH, declared_digests, repr_digest, wants_sha256
from librarian.web.interfaces import MalformedDigest

BYTES = b"Some textual content\n"
SHA256 = hashlib.sha256(BYTES)
SHA1 = hashlib.sha1(BYTES)
MD5 = hashlib.md5(BYTES)


def member(algorithm: str, digest: bytes) -> str:
    return f"{algorithm}=:{b64encode(digest).decode()}:"


class DeclaredDigests(unittest.TestCase):
    def test_what_can_be_checked_comes_out_as_hex(self) -> None:
        field = ", ".join(
            [
                member("sha-512", hashlib.sha512(BYTES).digest()),
                member("sha-256", SHA256.digest()),
                member("sha", SHA1.digest()),
                member("md5", MD5.digest()),
            ]
        )
        expected = {
            "sha-512": hashlib.sha512(BYTES).hexdigest(),
            "sha-256": SHA256.hexdigest(),
            "sha": SHA1.hexdigest(),
            "md5": MD5.hexdigest(),
        }
        self.assertEqual(declared_digests(field), expected)

    def test_nothing_to_check_is_empty_and_no_error(self) -> None:
        for field in ("", member("sha-3000", b"x" * 64), "unixsum=:AQI=:", "anything=12, other;p=1"):
            with self.subTest(field=field):
                self.assertEqual(declared_digests(field), {})

    def test_parameters_and_missing_padding_are_no_error(self) -> None:
        field = member("sha-256", SHA256.digest()).replace("=:", ":") + ";note=1"
        self.assertEqual(
            declared_digests(field.replace("sha-256:", "sha-256=:")), {"sha-256": SHA256.hexdigest()}
        )

    def test_the_last_of_two_counts(self) -> None:
        field = member("sha-256", b"x" * 32) + ", " + member("sha-256", SHA256.digest())
        self.assertEqual(declared_digests(field), {"sha-256": SHA256.hexdigest()})

    def test_malformed(self) -> None:
        for field in (
            "sha-256",
            "sha-256=",
            "sha-256=5",
            'sha-256="x"',
            "sha-256=(:AQI=:)",
            "sha-256=:AQI=:",
            "sha-256=:not base64:",
            "sha-256=::",
            "sha-256=:" + SHA256.hexdigest() + ":",
            "sha-256=" + b64encode(SHA256.digest()).decode(),
            "SHA-256=:" + b64encode(SHA256.digest()).decode() + ":",
            member("sha-256", SHA256.digest()) + ",",
            member("sha-256", SHA256.digest()) + " x",
            member("md5", SHA256.digest()),
            member("sha-512", SHA256.digest()),
            "sha-256=:\u00e9:",
            "a=1," * MAX_FIELD_LENGTH + "a=1",
        ):
            with self.subTest(field=field[:60]), self.assertRaises(MalformedDigest) as caught:
                declared_digests(field)
            self.assertEqual(caught.exception.field, field)
            self.assertTrue(caught.exception.problem)

    @given(st.text() | st.from_regex(r"(sha-512|sha-256|md5|sha)=:[\w+/=]{0,50}:(, .{0,9})?", fullmatch=True))
    def test_any_text_is_read_or_refused(self, field: str) -> None:
        try:
            digests = declared_digests(field)
        except MalformedDigest:
            return
        lengths = {"sha-512": 128, "sha-256": 64, "sha": 40, "md5": 32}
        self.assertTrue(all(len(value) == lengths[name] for name, value in digests.items()))

    @given(st.binary(min_size=32, max_size=32))
    def test_what_is_sent_can_be_declared(self, digest: bytes) -> None:
        self.assertEqual(declared_digests(repr_digest(digest.hex())), {"sha-256": digest.hex()})


class WantedDigests(unittest.TestCase):
    def test_table(self) -> None:
        for field, expected in (
            ("sha-256=1", True),
            ("sha-256=10", True),
            ("sha-512=3, sha-256=10, unixsum=0", True),
            ("sha-256=0", False),
            ("sha-256=11", False),
            ("sha-256=-1", False),
            ("sha-256=1.0", False),
            ("sha-256", False),
            ("sha-256=?1", False),
            ("sha-512=10", False),
            ("", False),
            ("sha-256=1,", False),
            ("sha-256=\u00e9", False),
        ):
            with self.subTest(field=field):
                self.assertIs(wants_sha256(field), expected)
