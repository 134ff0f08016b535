"""Signatures of Release files, checked by gpgv, which is what APT itself trusts.

No own OpenPGP and no key management: gpgv takes a keyring file and knows no web of trust.
"""

import base64
import binascii
import re
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

from librarian.mirrors.archive.interfaces import BadSignature, MalformedArchive

_SECONDS = 30
_ARMOR = re.compile(
    rb"-----BEGIN PGP PUBLIC KEY BLOCK-----\r?\n(?:[^\r\n]*:[^\r\n]*\r?\n)*\r?\n(.*?)(?:\r?\n=\S{4})?\r?\n"
    rb"-----END PGP PUBLIC KEY BLOCK-----",
    re.DOTALL,
)


def verify(signed: bytes, signature: bytes | None, keyring: str) -> bytes:
    """The text a key of `keyring` (a file, binary or armored) vouches for.

    `signed` is an InRelease, or a Release whose detached `signature` is given.  Only what was signed is
    returned: text put before or after the signed part of an InRelease is gone.  Raises BadSignature.
    """
    with TemporaryDirectory(prefix="librarian-gpgv-") as folder:
        here = Path(folder)
        (here / "keyring.gpg").write_bytes(_binary_keyring(Path(keyring).read_bytes()))
        (here / "signed").write_bytes(signed)
        command = ["gpgv", "--homedir", folder, "--keyring", str(here / "keyring.gpg")]
        if signature is None:
            command += ["--output", str(here / "text"), str(here / "signed")]
        else:
            (here / "signature").write_bytes(signature)
            command += [str(here / "signature"), str(here / "signed")]
        _run(command)
        return signed if signature is not None else (here / "text").read_bytes()


def _run(command: list[str]) -> None:
    try:
        done = subprocess.run(command, capture_output=True, timeout=_SECONDS, check=False)
    except FileNotFoundError as error:
        raise BadSignature("gpgv is not installed, so no signature can be checked") from error
    except subprocess.TimeoutExpired as error:
        raise BadSignature(f"gpgv gave no answer within {_SECONDS} seconds") from error
    if done.returncode != 0:
        lines = done.stderr.decode(errors="replace").strip().splitlines()
        raise BadSignature(lines[-1].removeprefix("gpgv: ") if lines else "gpgv refused it without a word")


def _binary_keyring(raw: bytes) -> bytes:
    """The keyring without ASCII armor, which gpgv does not read before GnuPG 2.4."""
    blocks = _ARMOR.findall(raw)
    if not blocks:
        return raw
    try:
        return b"".join(base64.b64decode(block) for block in blocks)
    except binascii.Error as error:
        raise MalformedArchive(f"the keyring's armor is damaged: {error}") from error
