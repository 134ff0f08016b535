"""A server worth attacking: files in both spaces, a link, and something in every system."""

import hashlib
import json
from typing import Any
from urllib.parse import quote, urlsplit

from urllib3.util import make_headers

from tests.fuzz.words import Facts
from tests.support.servers.librarian import ServerProcess

DATA = b"a file that nothing may change\n" * 300
DATE = "Thu, 01 Jan 2026 00:00:00 GMT"


def furnish(server: ServerProcess) -> Facts:
    """Put things into a new server, and say what they are."""
    password = make_headers(basic_auth=f"admin:{server.admin_password}")
    scopes = [each["name"] for each in _ask(server, "GET", "people/admin/+tokens", password)["scopes"]]
    wanted = {"title": "fuzz", "scopes": [name for name in scopes if not name.endswith(":")]}
    made = _ask(server, "POST", "people/admin/+tokens", password, wanted)
    bearer = {"Authorization": f"Bearer {made['token']}"}
    for path, fields in (
        ("people", {"name": "fuzzy", "display_name": "Fuzzy"}),
        ("people", {"name": "fuzzies", "display_name": "Fuzzies", "kind": "team"}),
        ("mirrors", {"name": "fuzz", "display_name": "Fuzz"}),
        ("machines", {"hostname": "fuzzer"}),
        ("tree/", {"folder": "fuzz"}),
    ):
        _ask(server, "POST", path, bearer, fields, expected=(201, 405))
    server.request("PUT", server.urls["app"] + "tree/fuzz/file.txt", headers=bearer, body=DATA)
    when = quote(DATE)
    for name in ("fuzz/file", "kept/file"):  # the second of which no request names
        server.request("PUT", f"{server.urls['tracker']}files/{name}?last_modified={when}", body=DATA)
    public, victim = (_put(server, "upload") for _ in range(2))
    restricted = _put(server, "restricted-upload")
    link = _ask(server, "POST", f"files/{restricted['id']}/+tokens", bearer, {"lifetime": "24h"})["url"]
    return Facts(
        ids=[str(public["id"]), str(restricted["id"])],
        victim=str(victim["id"]),
        paths={"public": urlsplit(public["url"]).path, "restricted": urlsplit(restricted["url"]).path},
        token=link.rpartition("=")[2],
        bearer=made["token"],
        digests=[hashlib.new(name, DATA).hexdigest() for name in ("sha256", "sha1", "md5")],
    )


def _put(server: ServerProcess, endpoint: str) -> Any:
    return server.request("PUT", server.urls[endpoint] + "file.txt", body=DATA).json()


def _ask(
    server: ServerProcess,
    method: str,
    path: str,
    headers: dict[str, str],
    fields: Any = None,
    expected: tuple[int, ...] = (200, 201),
) -> Any:
    sent = {**headers, "Accept": "application/json", "Content-Type": "application/json"}
    body = None if fields is None else json.dumps(fields).encode()
    answer = server.request(method, server.urls["app"] + path, headers=sent, body=body)
    assert answer.status in expected, (path, answer.status, answer.data)
    return answer.json()


def unharmed(server: ServerProcess, facts: Facts) -> list[str]:
    """What of it does not work any more."""
    found = []
    for endpoint, path, headers in (
        ("public", facts.paths["public"], {}),
        ("restricted", facts.paths["restricted"], {}),
        ("tracker", "/files/kept/file", {}),
        ("app", "/people/admin/+tokens", {"Authorization": f"Bearer {facts.bearer}"}),
        ("ops", "/ready", {}),
    ):
        answer = server.request("GET", server.urls[endpoint].rstrip("/") + path, headers=headers)
        if answer.status != 200 or (endpoint not in ("app", "ops") and answer.data != DATA):
            found.append(f"afterwards {endpoint} answers {answer.status} to {path}")
    uploads = ("upload", "restricted-upload")
    found += [f"afterwards {each} takes no file" for each in uploads if "url" not in _put(server, each)]
    checked = server.command("fsck")
    if checked.returncode:
        found.append(f"fsck: {(checked.stdout + checked.stderr)[-500:]}")
    left = [path.name for path in (server.byte_store / "incoming").glob("*")]
    if left:
        found.append(f"half-stored files: {left[:5]}")
    return found
