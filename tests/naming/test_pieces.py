"""Files that come in pieces and get a path of the named tree: permissions, conditions, and what is left."""

from typing import Any
from unittest import mock

import transaction
from zope.component import getUtility

from librarian.library.uploads.interfaces import IResumableUploads
from librarian.library.uploads.service import ResumableUploads
from tests.library.uploads.support import DATA, PART, PIECE, RESTRICTED, TUS, UPLOAD, metadata
from tests.naming.support import APP, TreeCase
from tests.support.documents.people import bearer, person
from tests.support.servers.in_process import request

DRAFT = {"Upload-Draft-Interop-Version": "8"}


class InPieces(TreeCase):
    def ask_at(
        self, method: str, url: str, body: bytes = b"", /, who: str | None = "", **headers: str
    ) -> Any:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        if who is not None:
            named["Authorization"] = who or self.token
        answer = request(method, url, named, body)
        transaction.abort()
        return answer

    def begin(self, path: str = "/ada/f.bin", status: int = 201, **more: Any) -> Any:
        """The URL of a new upload by tus; of a refusal the answer."""
        base, who = more.pop("base", f"{APP}/"), more.pop("who", "")
        told = {"path": path, **more.pop("told", {})}
        fields = {**TUS, "Upload-Length": str(len(DATA)), "Upload-Metadata": metadata(**told), **more}
        answer = self.ask_at("POST", f"{base}+uploads", who=who, **fields)
        self.assertEqual(answer.status_int, status, answer.text)
        return answer.location if status == 201 else answer

    def piece(self, url: str, data: bytes = DATA, offset: int = 0, who: str = "") -> Any:
        return self.ask_at("PATCH", url, data, who, **PIECE, Upload_Offset=str(offset))

    def status(self, path: str) -> int:
        found: int = self.ask("GET", path, Accept="application/json").status_int
        return found

    def under_way(self) -> int:
        return len([facts for _id, facts, _size in getUtility(IResumableUploads).all() if not facts.named])

    def owns(self, name: str, path: str) -> str:
        """A token of a new person who owns the new folder at `path`."""
        owner = person(name)
        self.tree.make_folder(path, owner=owner.person)
        transaction.commit()
        return bearer(owner, "tree")


class ByTus(InPieces):
    def test_the_path_is_there_with_the_last_byte(self) -> None:
        url = self.begin(Librarian_Expires="30d")
        self.assertEqual(self.piece(url, DATA[:5]).status_int, 204)
        self.assertEqual(self.status("/ada/f.bin"), 404)
        last = self.piece(url, DATA[5:], 5)
        told = self.ask("GET", "/ada/f.bin", Accept="application/json").json
        self.assertEqual((last.status_int, last.json["file"]), (200, told["file"]))
        self.assertEqual((told["path"], told["version"], told["file"]["size"]), ("/ada/f.bin", 1, len(DATA)))
        self.assertEqual(told["file"]["filename"], "f.bin")

    def test_the_tree_holds_the_file_where_no_expiry_is_stated(self) -> None:
        self.assertIsNone(self.piece(self.begin()).json["file"]["expires"])

    def test_the_last_answer_again_and_no_second_version(self) -> None:
        url = self.begin()
        first = self.piece(url).json
        self.assertEqual(self.piece(url, b"", len(DATA)).json, first)
        self.put("/ada/f.bin", b"another")
        again = self.piece(url, b"", len(DATA)).json
        self.assertEqual((again["version"], again["file"]), (1, first["file"]))
        self.assertEqual(self.ask_at("GET", url).json["file"]["file"], first["file"])
        self.ask("DELETE", "/ada/f.bin")
        self.assertIsNone(self.piece(url, b"", len(DATA)).json["version"])

    def test_killed_between_the_steps_of_the_completion(self) -> None:
        for step in ("_check_whole", "_keep", "_name", "_note"):
            url = self.begin()
            with mock.patch.object(ResumableUploads, step, side_effect=SystemExit):
                self.assertRaises(SystemExit, self.piece, url)
            self.assertEqual(self.piece(url, b"", len(DATA)).status_int, 200)
        history = self.ask("GET", "/ada/f.bin?history").json["versions"]
        self.assertEqual(history[0]["version"], 4)

    def test_whose_folder_it_is_not_is_told_before_the_bytes(self) -> None:
        bob = bearer(person("bob"), "tree")
        narrow = bearer(self.ada, "upload")
        for who, status in ((bob, 403), (narrow, 403), (None, 401)):
            self.begin(status=status, who=who)
        self.begin("/elsewhere.bin", 403)
        self.assertEqual(self.under_way(), 0)

    def test_a_permission_that_is_lost_meanwhile(self) -> None:
        bob = self.owns("bob", "/ada/bob")
        url = self.begin("/ada/bob/f.bin", who=bob)
        self.assertEqual(self.piece(url, DATA[:5], who=bob).status_int, 204)
        self.tree.remove("/ada/bob")
        self.tree.make_folder("/ada/bob", owner=self.ada.person)
        transaction.commit()
        self.assertEqual(self.piece(url, DATA[5:], 5, who=bob).status_int, 403)
        self.assertEqual((self.status("/ada/bob/f.bin"), self.under_way()), (404, 1))

    def test_another_persons_upload_does_not_exist(self) -> None:
        url, bob = self.begin(), self.owns("bob", "/bob")
        for method in ("HEAD", "DELETE"):
            self.assertEqual(self.ask_at(method, url, who=bob, **TUS).status_int, 404)
        self.assertEqual(self.piece(url, who=bob).status_int, 404)
        self.assertEqual(self.ask_at("HEAD", url, who=None, **TUS).status_int, 401)
        self.assertEqual(self.ask_at("DELETE", url, **TUS).status_int, 204)
        self.assertEqual(self.under_way(), 0)

    def test_a_token_for_the_tree_adds_no_other_files(self) -> None:
        fields = {**TUS, "Upload-Length": "3", "Upload-Metadata": metadata(filename="f")}
        self.assertEqual(self.ask_at("POST", f"{APP}/+uploads", **fields).status_int, 403)

    def test_conditions_hold_at_the_beginning_and_at_the_end(self) -> None:
        url = self.begin(If_None_Match="*")
        self.put("/ada/f.bin", b"meanwhile")
        self.begin(status=412, If_None_Match="*")
        refused = self.piece(url)
        self.assertEqual((refused.status_int, self.under_way()), (412, 0))
        self.assertEqual(self.ask_at("HEAD", url, **TUS).status_int, 404)
        told = self.ask("GET", "/ada/f.bin", Accept="application/json").json
        self.assertEqual((told["version"], told["file"]["size"]), (1, len(b"meanwhile")))
        url = self.begin(If_Match=told["etag"])
        self.assertEqual(self.piece(url).json["version"], 2)
        self.begin(status=412, If_Match=told["etag"])

    def test_folders_are_made_where_that_is_asked_for(self) -> None:
        self.begin("/ada/a/b/f.bin", 409)
        url = self.begin("/ada/a/b/f.bin", told={"parents": "true"})
        self.assertEqual(self.status("/ada/a"), 404)
        last = self.piece(url)
        self.assertEqual(last.json.get("path"), "/ada/a/b/f.bin", last.text)

    def test_a_folder_that_goes_meanwhile_can_be_made_again(self) -> None:
        self.ask("PUT", "/ada/sub/")
        url = self.begin("/ada/sub/f.bin")
        self.ask("DELETE", "/ada/sub")
        self.assertEqual(self.piece(url).status_int, 409)
        self.ask("PUT", "/ada/sub/")
        self.assertEqual(int(self.ask_at("HEAD", url, **TUS).headers["Upload-Offset"]), len(DATA))
        self.assertEqual(self.status("/ada/sub/f.bin"), 200)

    def test_restricted_by_request_by_the_folder_and_by_what_is_there(self) -> None:
        self.ask("PUT", "/ada/closed/?restricted=true")
        self.put("/ada/secret.bin?restricted=true")
        for path, told in (
            ("/ada/asked.bin", {"restricted": "true"}),
            ("/ada/closed/f.bin", {}),
            ("/ada/secret.bin", {}),
        ):
            self.assertTrue(self.piece(self.begin(path, told=told)).json["file"]["restricted"], path)
        url = self.begin("/ada/late.bin")
        self.put("/ada/late.bin?restricted=true")
        self.assertTrue(self.piece(url).json["file"]["restricted"])
        self.assertFalse(self.piece(self.begin("/ada/open.bin")).json["file"]["restricted"])

    def test_paths_that_are_none(self) -> None:
        self.ask("PUT", "/ada/folder/")
        self.put("/ada/file")
        for path, status in (
            ("", 400),
            ("/", 400),
            ("/ada/", 400),
            ("/ada/../f", 400),
            ("/ada/a\0b", 400),
            ("/ada/folder", 409),
            ("/ada/file/f", 409),
            ("/ada/" + "x/" * 50 + "f", 409),
        ):
            self.begin(path, status, told={"parents": "true"})
        self.begin("/ada/f", 400, told={"parents": "perhaps"})
        self.assertEqual(self.under_way(), 0)

    def test_the_endpoints_for_uploads_have_no_paths(self) -> None:
        for base in (UPLOAD, RESTRICTED):
            refused = self.begin(status=400, base=base)
            self.assertIn("path", refused.json["error"])

    def test_listed_with_its_path(self) -> None:
        self.begin()
        both = bearer(self.ada, "tree", "upload")
        [found] = self.ask_at("GET", f"{APP}/+uploads", who=both).json["uploads"]
        self.assertEqual((found["target"], found["filename"]), ("/ada/f.bin", "f.bin"))


class ByTheDraft(InPieces):
    def put_part(self, complete: str, data: bytes, path: str = "/ada/f.bin", **more: str) -> Any:
        return self.ask("PUT", path, data, **DRAFT, Upload_Complete=complete, **more)

    def part(self, url: str, offset: int, data: bytes) -> Any:
        return self.ask_at("PATCH", url, data, **PART, Upload_Complete="?1", Upload_Offset=str(offset))

    def test_in_pieces(self) -> None:
        begun = self.put_part("?0", DATA[:5])
        self.assertEqual((begun.status_int, begun.headers["Upload-Offset"]), (201, "5"), begun.text)
        self.assertTrue(begun.location.startswith(f"{APP}/+uploads/"))
        last = self.part(begun.location, 5, DATA[5:])
        self.assertEqual((last.status_int, last.json["version"]), (200, 1), last.text)
        self.assertEqual((last.location, last.headers["ETag"]), (f"{APP}/tree/ada/f.bin", last.json["etag"]))

    def test_in_one_request_it_is_answered_like_any_put(self) -> None:
        plain = self.ask("PUT", "/ada/plain.bin", DATA)
        for status, version in ((201, 1), (200, 2)):
            whole = self.put_part("?1", DATA)
            self.assertEqual((whole.status_int, whole.json["version"]), (status, version), whole.text)
        self.assertEqual(plain.json.keys(), whole.json.keys())
        self.assertEqual(whole.location, f"{APP}/tree/ada/f.bin")

    def test_it_is_refused_before_the_bytes_as_any_put_is(self) -> None:
        self.put("/ada/there.bin")
        self.assertEqual(self.put_part("?0", b"x", "/ada/there.bin", If_None_Match="*").status_int, 412)
        self.assertEqual(self.put_part("?0", b"x", "/elsewhere.bin").status_int, 403)
        self.assertEqual(self.put_part("?0", b"x", "/ada/no/f.bin").status_int, 409)
        made = self.put_part("?1", DATA, "/ada/no/f.bin?parents=true&restricted=true")
        self.assertEqual((made.status_int, made.json["file"]["restricted"]), (201, True), made.text)

    def test_half_a_file_is_never_a_whole(self) -> None:
        half = self.ask("PUT", "/ada/f.bin", b"one", Upload_Complete="?0")
        self.assertEqual(half.status_int, 400)
        for method, path, fields in (
            ("PUT", "/ada/f.bin", TUS),
            ("PUT", "/ada/folder/", {"Upload-Complete": "?1"}),
            ("POST", "/ada", {"Upload-Complete": "?1"}),
            ("DELETE", "/ada", {"Upload-Complete": "?1"}),
        ):
            self.assertEqual(self.ask(method, path, b"one", **fields).status_int, 400, (method, path))
        self.assertEqual(self.status("/ada/f.bin"), 404)
