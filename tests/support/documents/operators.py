"""For documents that operate code imports on a real server: accounts, a repository, results."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import urllib3

from librarian.machines.agent.scheduler_client import Api
from tests.support.servers.librarian import ServerProcess

GIT_ENVIRONMENT = {
    "PATH": os.environ.get("PATH", os.defpath),
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
    **{f"GIT_{who}_{what}": "olga" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")},
}


def as_admin(server: ServerProcess, path: str, **fields: Any) -> Any:
    """POST `fields` to `path` of the web application as the first administrator; the JSON of the answer."""
    headers = urllib3.make_headers(basic_auth=f"admin:{server.admin_password}")
    headers |= {"Content-Type": "application/json", "Accept": "application/json"}
    url = server.urls["app"].rstrip("/") + path
    answer = server.request("POST", url, body=json.dumps(fields), headers=headers)
    assert answer.status < 300, answer.data  # 2xx is done
    return answer.json()


def account(server: ServerProcess, name: str, token_file: str, teams: list[str] | None = None) -> None:
    """An account with a token for machines, which is left in `token_file` in the server's folder."""
    as_admin(server, "/people", name=name, display_name=name.capitalize())
    for team in teams or []:
        as_admin(server, f"/people/{team}/+members", member=name)
    answer = as_admin(server, f"/people/{name}/+tokens", title="machines", scopes=["machines"])
    (server.folder / token_file).write_text(answer["token"])


def git(*arguments: str, cwd: Path) -> None:
    subprocess.run(["git", *arguments], cwd=cwd, env=GIT_ENVIRONMENT, check=True, capture_output=True)


def git_repository(path: Path, text: str) -> str:
    """A repository with one file that says `text`; its URL."""
    path.mkdir()
    (path / "README").write_text(f"{text}\n")
    git("init", "--quiet", "--initial-branch=trunk", cwd=path)
    git("add", "README", cwd=path)
    git("commit", "--quiet", "-m", text, cwd=path)
    return path.as_uri()


def _api(server: ServerProcess, token_file: str) -> Api:
    return Api(server.urls["app"], (server.folder / token_file).read_text())


def results(server: ServerProcess, name: str, token_file: str) -> list[str]:
    """How the jobs of an import ended, newest first."""
    answer = _api(server, token_file).get(f"/+imports/{name}")
    return [result["status"] for result in answer["results"]]


def clone_bundle(server: ServerProcess, name: str, token_file: str) -> None:
    """Download the bundle of an import, clone it, and print what its README says."""
    token = (server.folder / token_file).read_text()
    url = f"{server.urls['app']}machines/+imports/{name}/+files/{name}.bundle"
    led = server.request("GET", url, headers={"Authorization": f"Bearer {token}"})
    bundle = server.folder / f"{name}.bundle"
    bundle.write_bytes(server.request("GET", led.headers["Location"]).data)
    git("clone", "--quiet", str(bundle), "cloned", cwd=server.folder)
    print((server.folder / "cloned" / "README").read_text().rstrip())
