"""A folder as one ZIP file."""

from collections.abc import Iterator
from io import BytesIO
from unittest.mock import patch
from zipfile import ZipFile

import transaction

from librarian.library.operations import Library
from librarian.naming.views import zipping
from librarian.naming.views.zipping import Member, safe_name
from librarian.store.interfaces import BytesNotFound
from tests.naming.support import TreeCase


class Zipped(TreeCase):
    def zipped(self, path: str = "/ada/", who: str | None = "") -> ZipFile:
        answer = self.ask("GET", f"{path}?zip", who=who)
        self.assertEqual(answer.status_int, 200)
        self.assertEqual(int(answer.headers["Content-Length"]), len(answer.body))
        return ZipFile(BytesIO(answer.body))

    def test_folders_files_and_their_bytes(self) -> None:
        self.put("/ada/a.txt", b"a" * 300_000)
        self.ask("PUT", "/ada/in/ner/b.txt?parents=true", b"bee")
        self.ask("PUT", "/ada/none/")
        found = self.zipped()
        self.assertIsNone(found.testzip())
        listed = ["ada/", "ada/a.txt", "ada/in/", "ada/in/ner/", "ada/in/ner/b.txt", "ada/none/"]
        self.assertEqual(found.namelist(), listed)
        self.assertEqual(found.read("ada/in/ner/b.txt"), b"bee")

    def test_the_whole_tree(self) -> None:
        self.put("/ada/a.txt")
        self.assertEqual(self.zipped("/").namelist(), ["tree/", "tree/ada/", "tree/ada/a.txt"])

    def test_head_sends_its_length_alone(self) -> None:
        self.put("/ada/a.txt")
        head, whole = self.ask("HEAD", "/ada/?zip"), self.ask("GET", "/ada/?zip")
        self.assertEqual((head.body, head.headers["Content-Length"]), (b"", str(len(whole.body))))
        self.assertEqual(whole.headers["Content-Disposition"], 'attachment; filename="ada.zip"')

    def test_only_what_the_reader_may_see(self) -> None:
        self.put("/ada/open.txt", b"open")
        self.ask("PUT", "/ada/secret.txt?restricted=true", b"secret")
        self.ask("PUT", "/ada/closed/?restricted=true")
        self.ask("PUT", "/ada/closed/x?restricted=true", b"x")
        self.assertEqual(self.zipped(who=None).namelist(), ["ada/", "ada/open.txt"])
        self.assertIn("ada/closed/x", self.zipped().namelist())
        self.assertEqual(self.ask("GET", "/ada/closed/?zip", who=None).status_int, 404)

    def test_deleted_files_are_left_out(self) -> None:
        self.put("/ada/x")
        alias = self.tree["/ada/x"].alias()
        alias.delete()
        transaction.commit()
        self.assertEqual(self.zipped().namelist(), ["ada/"])

    def test_too_many(self) -> None:
        for name in "abc":
            self.put(f"/ada/{name}")
        with patch.object(zipping, "MOST_MEMBERS", 3):
            answer = self.ask("GET", "/ada/?zip")
        self.assertEqual(answer.status_int, 409)
        self.assertIn("more than 3", answer.json["error"])

    def test_missing_bytes_end_it_short(self) -> None:
        self.put("/ada/x", b"gone")
        with patch.object(zipping, "_bytes", _gone), self.assertRaises(BytesNotFound):
            self.ask("GET", "/ada/?zip")

    def test_names_that_differ_in_case_alone(self) -> None:
        for name in ("A.txt", "a.txt"):
            self.put(f"/ada/{name}")
        self.assertEqual(self.zipped().namelist(), ["ada/", "ada/A.txt", "ada/a (2).txt"])

    def test_names_that_mean_another_thing_elsewhere(self) -> None:
        for name, safe in (
            ("..\\..\\x", ".._.._x"),
            ("C:x", "C_x"),
            ("report\u202efdp.exe", "report_fdp.exe"),
            ("nul.txt", "_nul.txt"),
            ("end.", "end_"),
            ("Zo\u00eb.txt", "Zo\u00eb.txt"),
        ):
            with self.subTest(name):
                self.assertEqual(safe_name(name), safe)


def _gone(library: Library, member: Member) -> Iterator[bytes]:
    yield b"g"
    raise BytesNotFound(member.sha256)
