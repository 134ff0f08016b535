"""examples/cluster and one-node: compose files and what they mount fit together; no container is started."""

import json
import re
import subprocess
import tempfile
import unittest
from pathlib import Path
from typing import Any

from zope.component import getUtilitiesFor

from librarian.app import read_ini
from librarian.interfaces import ISettingsSection
from librarian.settings import Settings
from librarian.site import SITE
from librarian.store.s3.address import parse_address
from tests.support.layers import Functional
from tools.cluster import front
from tools.runner.left_out import left_out

FOLDER = Path("examples/cluster")
ONE = Path("examples/one-node")
HADOLINT = Path("parts/hadolint/bin/hadolint")
PYTHON = "/usr/bin/python3"  # Debian's has PyYAML wherever Swift is; the build has none
READ = "import json, sys, yaml; print(json.dumps(yaml.safe_load(sys.stdin)))"


def described(folder: Path = FOLDER) -> Any:
    """What compose.yaml says, as JSON has it; None where nothing can read it."""
    with (folder / "compose.yaml").open("rb") as file:
        try:
            done = subprocess.run([PYTHON, "-c", READ], stdin=file, capture_output=True, check=False)
        except FileNotFoundError:
            return None
    return json.loads(done.stdout) if done.returncode == 0 else None


class Compose(unittest.TestCase):
    layer = Functional

    def test_the_settings_of_a_node(self) -> None:
        values = read_ini(FOLDER / "librarian.ini")
        del values[SITE]  # the Containerfile puts it beside the ini file
        sections = [section for _name, section in getUtilitiesFor(ISettingsSection)]
        Settings(values).check_names(sections)
        self.assertEqual(parse_address(values["librarian.byte_store"]).bucket, "librarian")

    def test_files_and_volumes_are_there(self) -> None:
        compose = described()
        if compose is None:
            self.skipTest(left_out("compose.yaml", "there is no PyYAML"))
        services = compose["services"]
        self.assertLessEqual({"database", "store", "node1", "node2", "nginx"}, set(services))
        for name, service in services.items():
            for source in (volume.partition(":")[0] for volume in service.get("volumes", [])):
                with self.subTest(name, source=source):
                    is_there = (FOLDER / source).exists() if "/" in source else source in compose["volumes"]
                    self.assertTrue(is_there)
        build = services["node1"]["build"]
        self.assertTrue((FOLDER / build["context"] / build["dockerfile"]).is_file())
        wanted = set(re.findall(r"\$\{(\w+)", (FOLDER / "compose.yaml").read_text()))
        given = set(re.findall(r"^(\w+)=", (FOLDER / "environment.example").read_text(), re.MULTILINE))
        self.assertEqual(wanted, given)

    def test_what_the_image_copies_is_there(self) -> None:
        text = (FOLDER / "Containerfile").read_text()
        lines = [line.split() for line in text.splitlines() if re.match("COPY (?!--from)", line)]
        for path in (path for line in lines for path in line[1:-1]):
            with self.subTest(path):
                self.assertTrue(Path(path).exists())
        self.assertIn("\nUSER 990\n", text)

    def test_what_hadolint_says_of_the_image(self) -> None:
        if not HADOLINT.exists():
            self.skipTest(left_out("hadolint", "run .venv/bin/python tools/peers.py"))
        command = [str(HADOLINT), "--no-color", str(FOLDER / "Containerfile")]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "", ""))

    def test_nginx_understands_its_file(self) -> None:
        if front.program() is None:
            self.skipTest(left_out("nginx", "it is not installed"))
        folder = Path(self.enterContext(tempfile.TemporaryDirectory()))
        text = re.sub(r"\bnode[12]:", "127.0.0.1:", (FOLDER / "nginx.conf").read_text())
        text = text.replace("/dev/stdout", f"{folder}/access.log")
        (folder / "nginx.conf").write_text(f"pid {folder}/pid;\n{text}")
        command = [str(front.program()), "-t", "-p", str(folder), "-c", str(folder / "nginx.conf")]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        self.assertIn("syntax is ok", done.stderr)


class OneNode(unittest.TestCase):
    """The same image, with the tree and the bytes in volumes."""

    layer = Functional

    def setUp(self) -> None:
        self.values = read_ini(ONE / "librarian.ini")

    def test_its_settings(self) -> None:
        del self.values[SITE]  # the Containerfile puts it beside the ini file
        sections = [section for _name, section in getUtilitiesFor(ISettingsSection)]
        Settings(self.values).check_names(sections)

    def test_what_it_writes_to_is_in_a_volume(self) -> None:
        compose = described(ONE)
        if compose is None:
            self.skipTest(left_out("compose.yaml", "there is no PyYAML"))
        for name, service in compose["services"].items():
            places = dict(reversed(volume.split(":")[:2]) for volume in service["volumes"])
            for place, source in places.items():
                with self.subTest(name, place=place):
                    is_there = (ONE / source).is_file() if "/" in source else source in compose["volumes"]
                    self.assertTrue(is_there)
        node = compose["services"]["librarian"]
        self.assertTrue((ONE / node["build"]["context"] / node["build"]["dockerfile"]).is_file())
        places = dict(reversed(volume.split(":")[:2]) for volume in node["volumes"])
        for key in ("database_uri", "byte_store", "access_log", "people.failed_logins", "mail.queue"):
            with self.subTest(key):
                path = self.values[f"librarian.{key}"].removeprefix("file://")
                self.assertTrue(any(path.startswith(place) for place in places if "/var/" in place), path)

    def test_ports_are_shown_that_are_listened_on(self) -> None:
        compose = described(ONE)
        if compose is None:
            self.skipTest(left_out("compose.yaml", "there is no PyYAML"))
        listening = {value for key, value in self.values.items() if key.endswith(".listen")}
        for shown in compose["services"]["librarian"]["ports"]:
            _address, port, inside = shown.rsplit(":", 2)
            self.assertEqual(port, inside)
            self.assertIn(f"0.0.0.0:{inside}", listening)
