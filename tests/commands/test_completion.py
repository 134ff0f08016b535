"""`librarian completion`: what it prints is understood by the shell, and completes."""

import shutil
import subprocess
import unittest

from click.testing import CliRunner

from librarian.commands.main import librarian
from tools.runner.left_out import left_out

SHELLS = {"bash": ["-n"], "zsh": ["-n"], "fish": ["--no-execute"]}


class Completion(unittest.TestCase):
    def text(self, shell: str) -> str:
        done = CliRunner().invoke(librarian, ["completion", shell], prog_name="librarian")
        self.assertEqual(done.exit_code, 0, done.output)
        return done.stdout

    def test_each_names_the_command(self) -> None:
        for shell in SHELLS:
            with self.subTest(shell):
                self.assertIn(f"_LIBRARIAN_COMPLETE={shell}_complete", self.text(shell))

    def test_shells_understand_theirs(self) -> None:
        for shell, options in SHELLS.items():
            with self.subTest(shell):
                if shutil.which(shell) is None:
                    self.skipTest(left_out(f"completion in {shell}", "it is not installed"))
                done = subprocess.run(
                    [shell, *options], input=self.text(shell), capture_output=True, text=True, check=False
                )
                self.assertEqual((done.returncode, done.stderr), (0, ""))

    def test_words_are_completed(self) -> None:
        for words, number, found in (
            ("librarian che", 1, ["plain,check-config"]),
            ("librarian mirrors pr", 2, ["plain,probe"]),
            ("librarian check-config --js", 2, ["plain,--json"]),
        ):
            with self.subTest(words):
                environ = {
                    "_LIBRARIAN_COMPLETE": "bash_complete",
                    "COMP_WORDS": words,
                    "COMP_CWORD": str(number),
                }
                done = CliRunner().invoke(librarian, [], prog_name="librarian", env=environ)
                self.assertEqual(done.stdout.splitlines(), found)
