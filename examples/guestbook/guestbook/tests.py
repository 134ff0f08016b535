"""The guestbook's own tests: python -m unittest guestbook.tests"""

import tempfile
import unittest
from io import BytesIO
from typing import Any
from urllib.parse import urlencode

from webob import Request

from guestbook import main

HOST = "http://localhost:6544"
PICTURE = b"GIF89a a picture of a lighthouse"


class Guestbook(unittest.TestCase):
    """One application for all tests: a process has one library."""

    @classmethod
    def setUpClass(cls) -> None:
        folder = cls.enterClassContext(tempfile.TemporaryDirectory(prefix="guestbook-"))
        settings = {
            "guestbook.secret": "of the tests",
            "librarian.database_uri": f"file://{folder}/tree/Data.fs",
            "librarian.byte_store": f"{folder}/bytes",
            "librarian.mount_url": f"{HOST}/lib/",
            "librarian.host_authentication": "true",
            "librarian.layout": "guestbook:templates/library.jinja2",
        }
        cls.app = main({}, **settings)

    def setUp(self) -> None:
        self.cookie = ""

    def ask(self, url: str, **options: Any) -> Any:
        path = url.removeprefix(HOST)
        answer = Request.blank(path, base_url=HOST, headers={"Cookie": self.cookie}, **options).get_response(
            self.app
        )
        if "Set-Cookie" in answer.headers:
            self.cookie = answer.headers["Set-Cookie"].partition(";")[0]
        return answer

    def come_in(self, name: str = "ada") -> None:
        self.ask("/login", POST={"name": name})

    def add(self) -> Any:
        return self.ask("/", POST={"picture": ("light.gif", BytesIO(PICTURE).getvalue())})

    def test_a_picture_is_seen_by_those_with_a_link(self) -> None:
        self.come_in()
        added = self.add()
        self.assertEqual(added.status_int, 201)
        made = self.ask(f"/entries/{added.json['id']}/link", POST={"lifetime": "15m"})
        url = made.json["url"]
        self.assertTrue(url.startswith(f"{HOST}/lib/+public/{added.json['id']}/light.gif?token="), url)
        self.cookie = ""
        answer = self.ask(url)
        self.assertEqual((answer.status_int, answer.body), (200, PICTURE))
        self.assertEqual(answer.headers["Cache-Control"], "private, no-store")
        self.assertEqual(self.ask(url.partition("?")[0]).status_int, 404)

    def test_strangers_add_nothing(self) -> None:
        self.assertEqual(self.add().status_int, 403)

    def test_what_is_no_file_is_refused(self) -> None:
        self.come_in()
        body = urlencode({"picture": "words"}).encode()
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        answer = Request.blank(
            "/", base_url=HOST, method="POST", body=body, headers={**headers, "Cookie": self.cookie}
        )
        self.assertEqual(answer.get_response(self.app).status_int, 400)
        self.assertEqual(self.ask("/entries/5/link", POST={"lifetime": "15m"}).status_int, 404)

    def test_the_library_is_below_its_prefix_in_the_guestbooks_frame(self) -> None:
        page = self.ask("/lib/")
        self.assertEqual(page.status_int, 200)
        self.assertIn("<title>Guestbook: ", page.text)
        self.assertIn("<title>Guestbook</title>", self.ask("/").text)


if __name__ == "__main__":
    unittest.main()
