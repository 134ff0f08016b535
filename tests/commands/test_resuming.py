"""``librarian put`` of large files: over cut connections, past answers that are lost, through kills."""

import json
import os
import subprocess
import sys
from hashlib import sha256
from pathlib import Path
from time import sleep
from typing import Any
from unittest import mock

import urllib3

from librarian.commands.files import transfer
from librarian.remote import pieces
from librarian.remote.interfaces import TransferFailed, TriesAgain
from librarian.remote.patience import Patience
from tests.commands.test_transfer import WithServer
from tests.support.servers.cutting import CuttingRelay

MIB = 1 << 20


class Resuming(WithServer):
    def setUp(self) -> None:
        super().setUp()
        self.cache = self.folder / "cache"
        self.enterContext(mock.patch.object(transfer, "LARGE", MIB))
        slept = mock.patch.object(Patience, "sleep", side_effect=lambda seconds: sleep(min(seconds, 0.1)))
        self.slept = self.enterContext(slept)
        self.enterContext(mock.patch.dict(os.environ, {"XDG_CACHE_HOME": str(self.cache)}))
        self.relay = self.enterContext(CuttingRelay(self.server.urls["upload"]))
        self.app_relay = self.enterContext(CuttingRelay(self.server.urls["app"]))

    def file(self, size: int = 5 * MIB, name: str = "large.bin") -> Path:
        path = self.folder / name
        path.write_bytes(os.urandom(size))
        return path

    def put_it(self, path: Path, *more: str, status: int = 0) -> Any:
        said = self.run_it("put", str(path), "--json", "--upload-url", self.relay.url, *more, status=status)
        return json.loads(said) if status == 0 else said

    def put_to(self, path: Path, to: str, *more: str, status: int = 0) -> Any:
        """As put_it(), as an administrator at a path of the named tree."""
        environ = {"LIBRARIAN_USER": "admin", "LIBRARIAN_PASSWORD": self.server.admin_password}
        environ["LIBRARIAN_APP_URL"] = self.app_relay.url
        said = self.run_it("put", str(path), "--json", "--to", to, *more, status=status, **environ)
        return json.loads(said) if status == 0 else said

    def entry(self, path: str) -> Any:
        """What the named tree has there, as JSON."""
        url = f"{self.server.urls['app']}tree{path}"
        return json.loads(urllib3.request("GET", url, headers={"Accept": "application/json"}).data)

    def number_of(self, digest: str) -> int:
        """The number of files with a digest."""
        url = f"{self.server.urls['public']}search?digest={digest}"
        return int(urllib3.request("GET", url).data.splitlines()[0])

    def remembered(self) -> list[Path]:
        return [path for path in self.cache.rglob("*") if path.is_file()]

    def test_a_large_file_over_connections_that_are_cut(self) -> None:
        path, self.relay.cut_after = self.file(), MIB
        found = self.put_it(path, "--type", "application/x-test", "--expires", "never")
        self.assertGreaterEqual(self.relay.cuts, 4)
        self.assertEqual(found["sha256"], sha256(path.read_bytes()).hexdigest())
        stated = found["filename"], found["mimetype"], found["expires"]
        self.assertEqual(stated, ("large.bin", "application/x-test", "never"))
        self.assertEqual((self.number_of(found["sha256"]), self.remembered()), (1, []))

    def test_to_a_path_of_the_named_tree_over_connections_that_are_cut(self) -> None:
        path, self.app_relay.cut_after = self.file(), MIB
        found = self.put_to(path, "/cut/made/", "--parents", "--restricted", "--type", "application/x-test")
        self.assertGreaterEqual(self.app_relay.cuts, 4)
        stated = found["sha256"], found["filename"], found["mimetype"], found["restricted"], found["expires"]
        digest = sha256(path.read_bytes()).hexdigest()
        self.assertEqual(stated, (digest, "large.bin", "application/x-test", True, None))
        self.assertEqual(self.remembered(), [])
        self.app_relay.cut_after = None
        self.assertIn("412", self.put_to(path, "/cut/made/large.bin", "--no-clobber", status=1))
        self.assertIn("409", self.put_to(path, "/cut/other/large.bin", status=1))

    def test_a_folder_that_goes_meanwhile_is_told_once_and_resume_goes_on(self) -> None:
        path, folder = self.file(), f"{self.server.urls['app']}tree/goes/"
        headers = urllib3.make_headers(basic_auth=f"admin:{self.server.admin_password}")
        urllib3.request("PUT", folder, headers=headers)
        original = pieces.PiecewiseUpload._begin

        def removing(upload: Any) -> None:
            original(upload)
            urllib3.request("DELETE", folder, headers=headers)

        with mock.patch.object(pieces.PiecewiseUpload, "_begin", removing):
            said = self.put_to(path, "/goes/large.bin", status=1)
        self.assertIn("409 /goes: there is no such folder", said)
        urllib3.request("PUT", folder, headers=headers)
        with mock.patch.object(pieces.PiecewiseUpload, "_begin", side_effect=AssertionError):
            found = self.put_to(path, "/goes/large.bin", "--resume")
        self.assertEqual(self.entry("/goes/large.bin")["file"]["id"], found["id"])

    def test_resume_goes_on_to_a_path_of_the_named_tree(self) -> None:
        path, self.app_relay.cut_after = self.file(), 2 * MIB
        original = pieces.PiecewiseUpload._send_from
        begun: list[int] = []

        def breaking(upload: Any, offset: int) -> Any:
            begun.append(offset)
            if offset:
                raise TransferFailed("killed")
            return original(upload, offset)

        with mock.patch.object(pieces.PiecewiseUpload, "_send_from", breaking):
            self.put_to(path, "/resumed.bin", status=1)
        self.app_relay.cut_after = None
        sent = mock.patch.object(pieces.PiecewiseUpload, "_send_from", autospec=True, side_effect=original)
        with sent as sent_from:
            found = self.put_to(path, "/resumed.bin", "--resume")
        [(_upload, offset)] = [call.args for call in sent_from.call_args_list]
        self.assertGreater(offset, 0)
        told = self.entry("/resumed.bin")
        self.assertEqual((told["version"], told["file"]["id"]), (1, found["id"]))

    def test_the_last_answer_is_lost(self) -> None:
        path = self.file()
        original = pieces.PiecewiseUpload._send_from

        def swallowing(upload: Any, offset: int) -> Any:
            if not offset:
                self.relay.swallow_answers = 1
            return original(upload, offset)

        with mock.patch.object(pieces.PiecewiseUpload, "_send_from", swallowing):
            found = self.put_it(path)
        self.assertEqual(self.number_of(found["sha256"]), 1)

    def test_an_upload_that_is_gone_is_begun_anew(self) -> None:
        path = self.file()
        forgotten: list[str] = []
        original = pieces.PiecewiseUpload._send_from

        def cancelling(upload: Any, offset: int) -> Any:
            if not forgotten:
                forgotten.append(upload._url)
                urllib3.request("DELETE", upload._url, headers=pieces.TUS)
            return original(upload, offset)

        with mock.patch.object(pieces.PiecewiseUpload, "_send_from", cancelling):
            found = self.put_it(path)
        self.assertEqual(found["sha256"], sha256(path.read_bytes()).hexdigest())

    def test_a_file_that_changes_meanwhile_is_refused_and_the_next_one_is_added(self) -> None:
        path, other = self.file(), self.file(name="other.bin")
        original = pieces.PiecewiseUpload._begin

        def changing(upload: Any) -> None:
            original(upload)
            if upload.path == path:
                path.write_bytes(os.urandom(5 * MIB))

        with mock.patch.object(pieces.PiecewiseUpload, "_begin", changing):
            said = self.put_it(path, str(other), status=1)
        self.assertIn("was declared", said)
        self.assertEqual(self.number_of(sha256(path.read_bytes()).hexdigest()), 0)
        self.assertEqual(self.number_of(sha256(other.read_bytes()).hexdigest()), 1)

    def test_a_server_that_stays_away_ends_it_and_resume_goes_on(self) -> None:
        path, self.relay.cut_after = self.file(), 2 * MIB
        original = pieces.PiecewiseUpload._send_from
        ids: list[str] = []

        def breaking(upload: Any, offset: int) -> Any:
            ids.append(upload._url)
            if offset:
                raise TriesAgain(TransferFailed("no answer in time"))
            return original(upload, offset)

        with mock.patch.object(pieces.PiecewiseUpload, "_send_from", breaking):
            said = self.put_it(path, status=1)
        self.assertIn("--resume", said)
        self.relay.cut_after, url = None, ids[0]
        self.assertGreater(int(urllib3.request("HEAD", url, headers=pieces.TUS).headers["Upload-Offset"]), 0)
        found = self.put_it(path, "--resume")
        self.assertEqual(json.loads(urllib3.request("GET", url).data)["file"]["id"], found["id"])

    def test_resume_takes_no_other_file_for_this_one(self) -> None:
        path = self.file()
        digest = sha256(path.read_bytes()).hexdigest()
        with (
            mock.patch.object(pieces.PiecewiseUpload, "_send_from", side_effect=TransferFailed("killed")),
        ):
            self.put_it(path, status=1)
        [remembered] = self.remembered()
        times = path.stat()
        path.write_bytes(os.urandom(5 * MIB))
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
        found = self.put_it(path, "--resume")
        self.assertEqual(found["sha256"], sha256(path.read_bytes()).hexdigest())
        self.assertEqual((self.number_of(digest), self.remembered()), (0, [remembered]))
        self.assertEqual(remembered.stat().st_mode & 0o777, 0o600)

    def test_a_refusal_is_told_at_once(self) -> None:
        said = self.put_it(self.file(), "--name", "a/b", status=1)
        self.assertIn("400", said)
        self.slept.assert_not_called()

    def test_resume_has_to_have_an_effect(self) -> None:
        small = self.file(size=7, name="small.bin")
        self.assertIn("no effect", self.put_it(small, "--resume", status=2))
        self.assertIn("no effect", self.run_it("put", str(small), "--resume", "--to", "/x", status=2))

    def test_killed_and_called_again(self) -> None:
        path, self.relay.cut_after = self.file(66 * MIB), 10 * MIB
        command = [sys.executable, "-c", "from librarian.commands.main import main; main()", "put", str(path)]
        environ = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(sys.path),
            "LIBRARIAN_UPLOAD_URL": self.relay.url,
        }
        run = subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        with run:
            while self.relay.cuts < 2 and run.poll() is None:
                sleep(0.01)
            run.kill()
            self.assertEqual(run.communicate()[0], b"")
        [remembered] = self.remembered()
        url = f"{self.server.urls['upload']}+uploads/{remembered.read_text()}"
        self.relay.cut_after = None
        again = subprocess.run(
            [*command, "--resume", "--json"], env=environ, capture_output=True, check=False, timeout=120
        )
        self.assertEqual(again.returncode, 0, again.stderr)
        found = json.loads(again.stdout)
        self.assertEqual(json.loads(urllib3.request("GET", url).data)["file"], found)
        digest = sha256(path.read_bytes()).hexdigest()
        self.assertEqual((found["sha256"], self.number_of(digest), self.remembered()), (digest, 1, []))


class Pauses(WithServer):
    def test_they_double_keep_to_what_is_told_and_end(self) -> None:
        patience = Patience(seconds=20)
        slept: list[float] = []
        patience.sleep = slept.append
        error = TransferFailed("no answer in time")
        for told in (None, None, 5, None):
            patience.wait(error, told)
        self.assertEqual(slept, [0.25, 0.5, 5, 2])
        patience.reach(1)
        patience.wait(error, None)
        self.assertEqual(slept[-1], 0.25)
        self.assertRaises(TransferFailed, patience.wait, error, 60)
