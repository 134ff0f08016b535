"""Refused paths, requests, bodies and conditions of the named tree."""

from urllib.parse import quote

from librarian.naming.interfaces import TooDeep
from librarian.naming.model import MAX_DEPTH
from tests.naming.support import TreeCase


def form_of(**fields: bytes) -> bytes:
    """A form with these fields and the boundary ``x``; `file` is one."""
    parts = (
        b'--x\r\nContent-Disposition: form-data; name="%s"%s\r\n\r\n%s\r\n'
        % (name.encode(), b'; filename="new.txt"' if name == "file" else b"", value)
        for name, value in fields.items()
    )
    return b"".join(parts) + b"--x--\r\n"


class Refusals(TreeCase):
    def test_invalid_paths(self) -> None:
        for name, status in (
            ("%00", 400),
            ("a%0Ab", 400),
            ("x" * 256, 400),
            (quote("é" * 128), 400),
            ("%FF", 400),
            (quote("é" * 127), 201),
            ("%25", 201),
            ("a%20b%3Fc%23d", 201),
            ("@@view", 201),
            ("..%2Fx", 403),
        ):
            self.assertEqual(self.put(f"/ada/{name}"), status, name)
        self.assertEqual(self.ask("GET", "/ada/a%20b%3Fc%23d").status_int, 302)

    def test_paths_where_nothing_can_be_put(self) -> None:
        self.put("/ada/file")
        for path, status in (
            ("/ada/no/file", 409),
            ("/ada/file/below", 409),
            ("/ada/file/", 409),
            ("/ada", 403),
            ("/else", 403),
            ("/else/x", 403),
            ("", 403),
            ("/", 403),
        ):
            self.assertEqual(self.put(path), status, path)
        self.assertEqual(self.put("/ada/no/file?parents=true"), 201)
        self.assertEqual(self.put("/ada/no"), 409)
        self.assertEqual(self.put("/ada/file?parents=perhaps"), 400)

    def test_maximal_depth(self) -> None:
        path = "/ada" + "/x" * (MAX_DEPTH - 2)
        self.assertEqual(self.put(f"{path}/file?parents=true"), 201)
        self.assertEqual(self.put(f"{path}/y/file?parents=true"), 409)
        self.tree.make_folder("/a")
        self.assertRaises(TooDeep, self.tree.move, "/ada", "/a/ada")
        self.assertEqual(self.tree["/ada"].path, "/ada")

    def test_malformed_requests(self) -> None:
        self.put("/ada/file")
        for method, path, body, kind in (
            ("POST", "/ada/file", b"", "application/x-www-form-urlencoded"),
            ("POST", "/ada", b"[]", "application/json"),
            ("POST", "/ada", b'{"folder": 7}', "application/json"),
            ("POST", "/ada", b'{"folder": "a/b"}', "application/json"),
            ("GET", "/ada/file?version=0", b"", ""),
            ("GET", "/ada/file?version=x", b"", ""),
            ("GET", "/ada/file?history&version=x", b"", ""),
            ("GET", "/ada/?version=x", b"", ""),
            ("GET", "/ada/?move=", b"", ""),
            ("GET", "/ada/file?delete=", b"", ""),
            ("GET", "/ada?limit=1001", b"", ""),
            ("GET", "/ada?limit=-1", b"", ""),
            ("GET", "/ada?sort=colour", b"", ""),
            ("GET", "/ada/file?limit=-1", b"", ""),
            ("GET", "/ada/file?limit=1001", b"", ""),
            ("GET", "/ada/file?sort=colour", b"", ""),
            ("GET", "/ada/file?history&sort=colour", b"", ""),
            ("GET", "/ada?zip&limit=x", b"", ""),
            ("DELETE", "/ada/file?recursive=maybe", b"", ""),
            ("PUT", "/ada/empty", b"", ""),
        ):
            answer = self.ask(method, path, body, Content_Type=kind)
            self.assertEqual(answer.status_int, 400, (method, path, body))
        for method, path, status in (
            ("PATCH", "/ada/file", 405),
            ("GET", "/ada/file?version=7", 404),
            ("GET", "/ada/file/", 404),
            ("GET", "/nowhere", 404),
            ("DELETE", "/ada/nothing", 404),
            ("DELETE", "", 403),
        ):
            self.assertEqual(self.ask(method, path).status_int, status, (method, path))

    def test_one_change_a_request(self) -> None:
        self.put("/ada/file", b"first")
        form, json = "application/x-www-form-urlencoded", "application/json"
        for path, body, kind in (
            ("/ada", b"folder=new&delete=file", form),
            ("/ada", b'{"folder": "new", "delete": "file"}', json),
            ("/ada", b"delete=file&place=1", form),
            ("/ada/file", b"move_to=/ada/new&current=1", form),
            ("/ada", form_of(folder=b"new", file=b"bytes"), "multipart/form-data; boundary=x"),
        ):
            with self.subTest(body):
                answer = self.ask("POST", path, body, Content_Type=kind)
                self.assertEqual(answer.status_int, 400)
                self.assertIn("Send one of the fields", answer.json["error"])
                self.assertEqual([node.name for node in self.tree["/ada"].listing()], ["file"])

    def test_numbers_of_json(self) -> None:
        self.put("/ada/file", b"first")
        self.put("/ada/file", b"second")
        for stated, status in ((b"1.0", 200), (b"2", 200), (b'"1"', 200), (b"1.5", 400), (b"true", 400)):
            body = b'{"current": %s}' % stated
            answer = self.ask("POST", "/ada/file", body, Content_Type="application/json")
            self.assertEqual(answer.status_int, status, stated)

    def test_a_wrong_body_changes_nothing(self) -> None:
        self.put("/ada/file", b"first")
        digest = "sha-256=:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=:"
        self.assertEqual(self.put("/ada/file", b"x", Repr_Digest=digest), 400)
        self.assertEqual(self.put("/ada/file", b"x", Content_Type="nonsense"), 400)
        self.assertEqual(self.put("/ada/file", b"x", Librarian_Expires="soon"), 400)
        self.assertEqual(self.tree["/ada/file"].versions[0].number, 1)

    def test_conditions(self) -> None:
        self.put("/ada/file", b"first")
        tag = self.tree["/ada/file"].etag
        for headers, status in (
            ({"If_Match": '"x"'}, 412),
            ({"If_Match": f"W/{tag}"}, 412),
            ({"If_Match": f'"x", {tag}'}, 200),
            ({"If_Match": "*"}, 200),
            ({"If_None_Match": "*"}, 412),
        ):
            self.assertEqual(self.put("/ada/file", b"first", **headers), status, headers)
        self.assertEqual(self.put("/ada/none", If_Match="*"), 412)
        self.assertEqual(self.ask("DELETE", "/ada/file", If_Match='"x"').status_int, 412)
        self.assertEqual(self.ask("DELETE", "/ada/none", If_Match="*").status_int, 412)
        self.assertEqual(self.ask("DELETE", "/ada/file", If_Match=tag).status_int, 204)
