"""Small sound samples of what others send: indices, logs, records, answers."""

import json
from datetime import UTC, datetime

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
DIGEST = "0a" * 32

RELEASE = f"""Origin: Sample
Suite: hoary
Codename: hoary
Version: 5.04
Date: Sun, 01 Mar 2026 12:00:00 UTC
Valid-Until: Sun, 08 Mar 2026 12:00:00 UTC
Architectures: i386 all
Components: main updates/restricted
Acquire-By-Hash: yes
SHA256:
 {DIGEST} 1234 main/binary-i386/Packages.gz
 {DIGEST}  999 main/source/Sources.xz
""".encode()
SIGNED = b"-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n\n" + RELEASE
SIGNED += b"-----BEGIN PGP SIGNATURE-----\n\niHUE\n"
PACKAGES = f"""Package: pmount
Source: pmount-src (2:1.9)
Version: 2:1.9-1
Architecture: i386
Filename: pool/main/p/pmount/pmount_1.9-1_i386.deb
Size: 1234
SHA256: {DIGEST}
Description: mounts
 things

Package: partman
Version: 0.1-1
Filename: ./pool/main/p/partman/partman_0.1-1_i386.udeb
Size: 12
""".encode()
SOURCES = f"""Package: alsa-utils
Version: 1.0.9a-4
Directory: pool/main/a/alsa-utils
Files:
 {"0a" * 16} 700 alsa-utils_1.0.9a-4.dsc
 {"0a" * 16} 90000 alsa-utils_1.0.9a.orig.tar.gz
Checksums-Sha256:
 {DIGEST} 700 alsa-utils_1.0.9a-4.dsc
 {DIGEST} 90000 alsa-utils_1.0.9a.orig.tar.gz
""".encode()
PUBLICATIONS = json.dumps(
    {
        "releases": [{"name": "hoary", "version": "5.04", "components": ["main"], "architectures": ["i386"]}],
        "publications": [
            {"release": "hoary", "pocket": "updates", "component": "main", "architecture": "i386",
             "source": "pmount", "version": "2:1.9-1", "date": "2005-06-20T00:00:00Z",
             "path": "pool/main/p/pmount/pmount_1.9-1_all.deb", "size": 42, "sha256": DIGEST}
        ],
    }
).encode()  # fmt: skip
KEYRING = b"""-----BEGIN PGP PUBLIC KEY BLOCK-----
Version: 2

mDMEZ0aBcD==
=abcd
-----END PGP PUBLIC KEY BLOCK-----
"""
LOG = (
    b'10.0.0.1 - jane [01/Nov/2006:05:10:39 +0200] "GET /12345/a%20b.deb?x=1 HTTP/1.1" 200 512 "-" "curl/8"\n'
)
LOG_JSON = (
    b'{"client": "10.0.0.1", "time": "2026-03-01T12:00:00+00:00", "method": "GET", "target": "http://h/1/x",'
    b' "status": 206, "size": 7, "agent": "curl"}'
)
LEDGER = b"".join(
    json.dumps(record).encode() + b"\n"
    for record in (
        {"event": "file", "name": "a", "identity": "1", "temp": ".a.part", "stage": "begun", "size": None},
        {"event": "file", "name": "a", "identity": "1", "temp": ".a.part", "stage": "delivered", "size": 3,
         "sha256": DIGEST, "at": "2026-03-01T12:00:00+00:00"},
        {"event": "lock", "nonce": "ab", "text": "This is", "at": "2026-03-01T12:00:00+00:00", "held": True},
        {"event": "unlock", "nonce": "ab"},
    )
)  # fmt: skip
RECORD = json.dumps({"version": 5, "size": 3, "sha256": DIGEST, "stamp": "1:2:3:4:x"}).encode()
MANIFEST = json.dumps(
    {"format": 1, "made": "2026-03-01T12:00:00+00:00", "last_transaction": "03ff", "tree_size": 5,
     "tree_sha256": DIGEST, "contents": 1, "bytes": 2, "contents_sha256": DIGEST, "copied": 1, "damaged": []}
).encode()  # fmt: skip
STATUS = json.dumps(
    {"state": "ONLINE", "pinned": False, "cordoned": False, "note": "",
     "job": {"job_id": 7, "code_import": "x", "rcs_type": "GIT", "url": "https://h/x"}}
).encode()  # fmt: skip
REFUSAL = b'{"error": "no such file"}'

PARTS = (
    b'--B\r\nContent-Disposition: form-data; name="title"\r\n\r\nA word\r\n'
    b'--B\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n'
    b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: binary\r\n\r\nabc\r\n--B--\r\n"
)
