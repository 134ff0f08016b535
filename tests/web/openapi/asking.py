"""schemathesis asks a running server by its description: valid data, invalid data, other methods.

It has an environment of its own, parts/schemathesis, which tools/peers.py makes.
"""

import json
import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import urllib3

from tests.support.servers.librarian import ServerProcess

PROGRAM = Path("parts/schemathesis/bin/schemathesis")
ENDPOINTS = ("app", "public", "restricted", "upload", "restricted-upload", "tracker", "ops")
#: Left out: what these look for is true here on purpose, or is asked by tests of ours with better aim.
LEFT_OUT = {
    "unsupported_method": "tests.web.test_methods asks every view by every method",
    "ensure_resource_availability": "what is made here need not be at the next path that is asked",
    "use_after_free": "what is deleted may be brought back, and stays to be seen for a week",
}
#: With which invalid data are refused; those of tus and of conditional requests among them.
REFUSALS = [
    400,
    401,
    403,
    404,
    405,
    406,
    409,
    410,
    411,
    412,
    413,
    414,
    415,
    416,
    422,
    423,
    429,
    431,
    460,
    501,
]
#: With which valid data are taken; or the things that they are about are not there or in another state; or
#: what they mean is refused, which no schema could say (422: RFC 9110, section 15.5.21).
TAKEN = ["2xx", "3xx", 401, 403, 404, 409, 410, 412, 416, 422, 423, 429, 507]
#: A method that the server does not know is refused with 501 (RFC 9110, section 15.6.2), and 507 is no
#: room for as much as a schema may say (RFC 4918, section 11.5): neither is a fault.
NO_FAULTS = ["2xx", "3xx", "4xx", 501, 507]
#: What is valid there depends on things that no schema knows: who holds a file, the place in another list.
OF_A_STATE = (
    "/files/{id}/+holds",
    "/files/{id}/+release",
    "/files/{id}/+tokens",  # and what the time is
    "/files",
    "/+search",
    "/+upload-links",
    "/webhooks",
)
#: Body, length and offset may not fit each other, or what has come before.
OF_PIECES = (
    "[operations.checks.positive_data_acceptance]",
    f"expected-statuses = {json.dumps([*TAKEN, 400, 413])}",
)
#: Operations that would take the rights away with which all others are asked, or that do not end.
UNASKED = r"^/events$|/\+password$|/\+sessions$"
_GENERATED = re.compile(r"(\d[\d,]*) generated|(\d[\d,]*) total")


@dataclass(frozen=True)
class Asked:
    """What a run came to: its exit status, the number of cases, what it printed."""

    endpoint: str
    status: int
    cases: int
    output: str


class Questioner:
    """Runs schemathesis against the endpoints of a server, as its administrator."""

    def __init__(self, server: ServerProcess, program: Path = PROGRAM) -> None:
        self._server = server
        self._program = program
        self._http = urllib3.PoolManager(retries=False)
        self._basic = urllib3.make_headers(basic_auth=f"admin:{server.admin_password}")
        self._known = self._furnish()

    def _json(self, method: str, endpoint: str, path: str, **options: Any) -> Any:
        headers = {**self._basic, "Accept": "application/json", **options.pop("headers", {})}
        url = self._server.urls[endpoint].rstrip("/") + path
        answer = self._http.request(method, url, headers=headers, redirect=False, **options)
        assert answer.status < 400, (method, url, answer.status, answer.data)
        return answer.json()

    def _furnish(self) -> dict[str, Any]:
        """Make a thing of each kind; values for parameters of paths, which would else all be 404."""
        plain = {"Content-Type": "text/plain"}
        files = {
            endpoint: self._json("PUT", endpoint, "/known.txt", body=b"known", headers=plain)["id"]
            for endpoint in ("upload", "restricted-upload")
        }
        self._http.request("PUT", self._server.urls["tracker"] + "files/folder/known", body=b"known")
        self._json("POST", "app", "/people", json={"name": "known", "display_name": "Known"})
        self._json("PUT", "app", "/tree/known", body=b"known", headers=plain)
        known = {"name": "known", "display_name": "Known"}
        self._json("POST", "app", "/mirrors", json=known)
        mirror = {"name": "known", "country": "BR", "http_base_url": "http://known.example/u/"}
        self._json("POST", "app", "/mirrors/known/+register", json=mirror)
        self._json("POST", "app", "/machines/+scheduler/known/arrive")
        git = {"name": "known", "rcs_type": "GIT", "url": "https://known.example/k.git"}
        self._json("POST", "app", "/machines/+imports", json=git)
        link = self._link()
        self._restricted = files["restricted-upload"]
        self._named = self._link(filename="known.txt")
        names = ("name", "path", "distribution", "mirror", "hostname")
        return {
            "id": files["upload"],
            "secret": link,
            "directory": "folder",
            **dict.fromkeys(names, "known"),
        }

    def _link(self, **terms: str) -> str:
        """The secret of an upload link."""
        made = self._json("POST", "app", "/+upload-links", json={"uses": "any", **terms})
        return str(made["url"].rpartition("/")[2])

    def _settings(self) -> str:
        """The configuration file: things that are there, and which statuses take and refuse."""
        begun = '{ "header.Upload-Metadata" = "filename a25vd24=" }'
        drop = "/+drop/{secret}"
        lines = [
            *("[checks.negative_data_rejection]", f"expected-statuses = {json.dumps(REFUSALS)}"),
            *("[checks.positive_data_acceptance]", f"expected-statuses = {json.dumps(TAKEN)}"),
            *("[checks.missing_required_header]", f"expected-statuses = {json.dumps(REFUSALS)}"),
            *("[checks.not_a_server_error]", f"expected-statuses = {json.dumps(NO_FAULTS)}"),
            "[parameters]",
            *(f'"path.{name}" = {json.dumps(value)}' for name, value in self._known.items()),
            *("[[operations]]", f'include-path = "{drop}"'),
            f'parameters = {{ "path.secret" = "{self._named}" }}',
        ]
        lines += ["[[operations]]", 'include-path = "/files/{id}/+tokens"']
        lines.append(f'parameters = {{ "path.id" = {self._restricted} }}')
        for path in OF_A_STATE:
            lines += ["[[operations]]", f'include-path = "{path}"']
            lines.append("[operations.checks.positive_data_acceptance]")
            lines.append(f"expected-statuses = {json.dumps([*TAKEN, 400])}")
        for path in ("/+uploads", f"{drop}/+uploads"):
            lines += ["[[operations]]", f'include-path = "{path}"', f"parameters = {begun}"]
            lines += OF_PIECES
            lines += ["[[operations]]", f'include-path = "{path}/{{upload_id}}"', *OF_PIECES]
        return "\n".join([*lines, ""])

    def ask(
        self, endpoint: str, most: int, seed: int, *phases: str, include: str = "", shrinks: bool = True
    ) -> Asked:
        """Ask all operations of an endpoint, each by `most` random cases at most, beside those of the other
        phases; `include` is a pattern of paths.

        Without `shrinks` what was found is not made smaller: that may take hypothesis minutes for one case.
        """
        document = self._json("GET", "app", f"/+openapi.json?endpoint={endpoint}")
        path = self._server.folder / f"{endpoint}.json"
        path.write_text(json.dumps(document))
        settings = self._server.folder / "schemathesis.toml"
        settings.write_text(self._settings())
        done = subprocess.run(
            [
                *(self._program.absolute(), "--config-file", settings, "run", path),
                *("--url", self._server.urls[endpoint]),
                *("--auth", f"admin:{self._server.admin_password}"),
                *("--phases", ",".join(phases or ("examples", "coverage", "fuzzing"))),
                *("--checks", "all", "--exclude-checks", ",".join(LEFT_OUT)),
                *("--max-examples", str(most), "--seed", str(seed), "--generation-database", "none"),
                *(
                    "--continue-on-failure",
                    "--suppress-health-check",
                    "all",
                    "--no-color",
                    "--warnings",
                    "off",
                ),
                *("--exclude-path-regex", UNASKED),
                *(("--include-path-regex", include) if include else ()),
                *(() if shrinks else ("--no-shrink",)),
            ],
            cwd=Path(__file__).parent,  # where the hooks are
            capture_output=True,
            text=True,
            env={**os.environ, "SCHEMATHESIS_HOOKS": "file_bodies"},
            check=False,
        )
        return Asked(endpoint, done.returncode, cases_in(done.stdout), done.stdout + done.stderr)


def cases_in(output: str) -> int:
    """How many cases the summary of a run names."""
    found = [next(filter(None, each)) for each in _GENERATED.findall(output)]
    return sum(int(number.replace(",", "")) for number in found[-1:])
