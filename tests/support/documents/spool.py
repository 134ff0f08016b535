"""What documents on the spool need: settings that name its partner, and pages in few words."""

import tempfile
from pathlib import Path

from click.testing import CliRunner

from librarian.commands.main import librarian
from tests.support.servers.ftp import PASSWORD, USER, Scene
from tests.support.servers.in_process import Browser, ThreadedApplication


def ini_file(*lines: str) -> Path:
    """A new ini file of these lines, in a folder of its own."""
    path = Path(tempfile.mkdtemp(prefix="librarian-ini-")) / "site.ini"
    path.write_text("\n".join(lines))
    return path


def describe_partner(scene: Scene, name: str) -> Path:
    """Write an ini file that describes the scene's partner as an export; its password is in a variable."""
    path = scene.folder / "site.ini"
    lines = [f"[export:{name}]", f"store_dir = {scene.store.path}", "host = localhost"]
    lines += [f"port = {scene.partner.port}", f"user = {USER}", "password_env = PARTNER_PASSWORD"]
    path.write_text("\n".join(lines))
    return path


def partners_in(ini: Path) -> str:
    """The settings of an installation whose partners are described in a file."""
    return f"[librarian.spool]\ntargets_file = {ini}"


def run_command(*words: str, ini: Path) -> None:
    """Run `librarian` with these words and the ini file; print its output and exit status."""
    done = CliRunner().invoke(librarian, [*words, "-c", str(ini)], env={"PARTNER_PASSWORD": PASSWORD})
    print(f"{done.output}exit status {done.exit_code}")


class Visitor:
    """A person or program at the web application; `authorization` is its field of that name."""

    def __init__(self, authorization: str | None = None) -> None:
        fields = {"HTTP_HOST": "localhost:6543", "SERVER_PORT": "6543", "REMOTE_ADDR": "127.0.0.1"}
        if authorization is not None:
            fields["HTTP_AUTHORIZATION"] = authorization
        self._app = Browser(ThreadedApplication(), fields)

    def page(self, path: str) -> None:
        """Print what a browser gets: a refusal, or the words of the page, a row of a table to a line."""
        answer = self._app.get(path, headers={"Accept": "text/html"}, expect_errors=True)
        if answer.status_int != 200:
            print(" ".join([answer.status, *answer.headers.getall("Location")]))
            return
        for element in answer.html.main.find_all(["h1", "h2", "p", "dt", "dd", "tr"]):
            print(" | ".join(" ".join(text.split()) for text in element.stripped_strings))

    def json(self, path: str) -> object:
        """What a program gets."""
        answer = self._app.get(path, headers={"Accept": "application/json"}, expect_errors=True)
        return answer.json
