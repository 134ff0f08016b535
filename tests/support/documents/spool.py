"""What documents on the spool need: settings that name its partner, and pages in few words."""

from pathlib import Path

from webtest import TestApp

from tests.support.servers.ftp import USER, Scene
from tests.support.servers.in_process import ThreadedApplication


def describe_partner(scene: Scene, name: str) -> str:
    """Write an ini file that describes the scene's partner; the settings that name that file."""
    ini = Path(scene.folder) / "targets.ini"
    lines = [f"[export:{name}]", f"store_dir = {scene.store.path}", "host = localhost"]
    lines += [f"port = {scene.partner.port}", f"user = {USER}", "password_env = PARTNER_PASSWORD"]
    ini.write_text("\n".join(lines))
    return f"[librarian.spool]\ntargets_file = {ini}"


class Visitor:
    """A person or program at the web application; `authorization` is its field of that name."""

    def __init__(self, authorization: str | None = None) -> None:
        fields = {"HTTP_HOST": "localhost:6543", "SERVER_PORT": "6543", "REMOTE_ADDR": "127.0.0.1"}
        if authorization is not None:
            fields["HTTP_AUTHORIZATION"] = authorization
        self._app = TestApp(ThreadedApplication(), fields)

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
