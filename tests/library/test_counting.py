"""Counting from logs: slices, rotation, cut lines, other people's formats, and nonsense."""

import gzip
import logging
import tempfile
import unittest
from datetime import date
from io import BytesIO
from pathlib import Path
from threading import Thread
from typing import Any
from unittest.mock import patch

import transaction
from ZODB.POSException import ConflictError
from zope.component import getUtility

from librarian.library.counts import service as counting
from librarian.library.counts.interfaces import MalformedLine
from librarian.library.counts.log_lines import read_line
from librarian.library.counts.service import DownloadCounter
from librarian.library.counts.task import Schedule
from librarian.library.interfaces import ILibraryFileAliasSet, LogReadTwice, UnreadableLog
from librarian.library.operations import Library
from tests.support.documents.library import delete_content
from tests.support.layers import Functional
from tests.support.threads import elsewhere

SIZE = 1000
TIME = "28/Feb/2026:23:30:00 +0000"


def line(target: str, status: int = 200, size: object = SIZE, **more: str) -> str:
    client, time, method = more.get("client", "192.0.2.1"), more.get("time", TIME), more.get("method", "GET")
    agent = more.get("agent", "curl/8")
    return f'{client} - - [{time}] "{method} {target} HTTP/1.1" {status} {size} "-" "{agent}"\n'


class Lines(unittest.TestCase):
    def test_what_is_a_download(self) -> None:
        for target in ("/7/a.txt", "//7///a.txt", "/7/a.txt?token=***", "http://host:80/7/a.txt", "/7/%22x"):
            hit = read_line(line(target))
            assert hit is not None
            self.assertEqual((hit.alias_id, hit.size), (7, SIZE), target)

    def test_what_is_none(self) -> None:
        for text in (
            line("/7/a.txt", method="HEAD"),
            line("/7/a.txt", method="PUT"),
            line("/7/a.txt", 304),
            line("/7/a.txt", 404),
            line("/7"),
            line("/7/"),
            line("/files/7"),
            line("/0/a"),
            line("/-7/a"),
            line("/12345678901234567/a"),
            line("*"),
            line("http://[/7/a"),
            f'192.0.2.1 - - [{TIME}] "" 400 0 "-" "-"\n',
            f'192.0.2.1 - - [{TIME}] "\\x16\\x03\\x01 \\"" 200 12 "-" "-"\n',
        ):
            self.assertIsNone(read_line(text), text)

    def test_other_formats(self) -> None:
        common = f'2001:db8::1 - Ada Lovelace [{TIME}] "GET /7/a HTTP/1.0" 206 -'
        hit = read_line(common)
        assert hit is not None
        self.assertEqual((hit.client, hit.size, hit.agent, hit.status), ("2001:db8::1", 0, "", 206))
        ours = (
            '{"time":"2026-03-01T00:30:00+01:00","client":"192.0.2.1","method":"GET","target":"/7/a",'
            '"protocol":"HTTP/1.1","status":200,"size":9,"referer":"","agent":"x","seconds":0.1}'
        )
        hit = read_line(ours)
        assert hit is not None
        self.assertEqual((hit.day, hit.size), (date(2026, 2, 28), 9))

    def test_the_day_is_that_of_utc(self) -> None:
        for time, day in ((TIME, 28), ("01/Mar/2026:00:30:00 +0100", 28), ("28/Feb/2026:23:30:00 -0100", 1)):
            hit = read_line(line("/7/a", time=time))
            assert hit is not None
            self.assertEqual(hit.day.day, day)

    def test_nonsense(self) -> None:
        for text in (
            "",
            "\0" * 100,
            "[" * 60_000,
            '"' * 60_000,
            "a b " + "[x] " * 15_000,
            '{"time": 1}',
            "{" * 60_000,
            "[" * 30_000 + "{",
            line("/7/a", time="31/Feb/2026:23:30:00 +0000"),
            line("/7/a", time="28/Foo/2026:23:30:00 +0000"),
            line("/7/a", time="01/Jan/0001:00:30:00 +2300"),
            line("/7/a", time="yesterday"),
        ):
            with self.assertRaises(MalformedLine, msg=text[:80]):
                read_line(text)


class Counting(unittest.TestCase):
    layer = Functional

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.log = self.folder / "access.log"
        self.alias = self.added()
        self.path = f"/{self.alias.id}/a.bin"

    def added(self) -> Any:
        aliases = getUtility(ILibraryFileAliasSet)
        alias = aliases.create("a.bin", SIZE, BytesIO(bytes(SIZE)), "application/octet-stream")
        transaction.commit()
        return alias

    def count(self, *texts: str, path: Path | None = None) -> Any:
        """Append to the log, and count it."""
        with self.log.open("a") as file:
            file.writelines(texts)
        counted = DownloadCounter(Library()).count(path or self.log)
        transaction.abort()
        return counted

    def test_each_line_counts_once(self) -> None:
        self.assertEqual(self.count(line(self.path), line(self.path)).downloads, 2)
        self.assertEqual(self.count(line(self.path)).lines, 1)
        self.assertEqual(self.count().lines, 0)
        self.assertEqual(self.alias.hits, 3)

    def test_a_cut_last_line_waits_for_its_end(self) -> None:
        whole = line(self.path)
        self.count(line(self.path), whole[:50])
        self.assertEqual(self.alias.hits, 1)
        self.count(whole[50:])
        self.assertEqual(self.alias.hits, 2)

    def test_a_log_that_is_rotated_and_compressed_is_known_again(self) -> None:
        self.count(line(self.path), line("/other"))
        with self.log.open("a") as file:
            file.write(line(self.path))
        rotated = self.folder / "access.log.1.gz"
        rotated.write_bytes(gzip.compress(self.log.read_bytes()))
        self.log.unlink()
        self.assertEqual(self.count(path=rotated).lines, 1)
        self.assertEqual(self.count(line("/first"), line(self.path)).lines, 2)
        self.assertEqual(self.count(path=rotated).lines, 0)
        self.assertEqual(self.alias.hits, 3)

    def test_two_logs_that_begin_alike(self) -> None:
        probe = line("/", agent="probe")
        self.count(probe, line(self.path))
        other = self.folder / "other.log"
        other.write_text(probe + line(self.path, client="192.0.2.2") * 2)
        for expected in (3, 0):
            self.assertEqual(self.count(path=other).lines, expected)
        self.assertEqual(self.count(line(self.path)).lines, 1)
        self.assertEqual(self.alias.hits, 4)

    def test_a_log_that_was_emptied_in_place_is_a_new_one(self) -> None:
        self.count(line(self.path), line(self.path))
        self.log.write_text("")
        self.assertEqual(self.count().lines, 0)
        self.count(line(self.path))
        self.assertEqual(self.alias.hits, 3)

    def test_slices_count_when_they_are_a_whole(self) -> None:
        for size, client, agent, hits in (
            (400, "192.0.2.1", "curl", 0),
            (600, "192.0.2.2", "curl", 0),
            (600, "192.0.2.1", "wget", 0),
            (599, "192.0.2.1", "curl", 0),
            (1, "192.0.2.1", "curl", 1),
            (400, "192.0.2.2", "curl", 2),
            (2000, "192.0.2.3", "curl", 3),
        ):
            self.count(line(self.path, 206, size, client=client, agent=agent))
            self.assertEqual(self.alias.hits, hits, (size, client, agent))

    def test_a_broken_download_that_is_resumed_counts_once(self) -> None:
        self.count(line(self.path, 200, 300), line(self.path, 206, 700))
        self.assertEqual(self.alias.hits, 1)

    def test_slices_are_not_added_up_for_ever(self) -> None:
        self.count(line(self.path, 206, 500), line(self.path, 206, 500, time="01/Mar/2026:23:30:01 +0000"))
        self.assertEqual(self.alias.hits, 0)
        self.count(line(self.path, 206, 500, time="02/Mar/2026:23:30:01 +0000"))
        self.assertEqual(self.alias.hits, 1)

    def test_slices_of_unfinished_downloads_are_forgotten(self) -> None:
        library = Library()
        self.count(line(self.path, 206, 500), line(self.path, 206, 1, client="192.0.2.9"))
        self.assertEqual(len(library.subtree.slices), 2)
        Functional.world.clock.move(hours=12)
        DownloadCounter(library).forget_slices()
        self.assertEqual(len(library.subtree.slices), 0)

    def test_in_batches(self) -> None:
        lines = [line(self.path, client=f"192.0.2.{number % 200}") for number in range(100)]
        with patch.object(counting, "BATCH", 7):
            counted = self.count(*lines, "nonsense\n")
        self.assertEqual((counted.lines, counted.downloads, counted.malformed), (101, 100, 1))
        self.assertEqual(self.alias.hits, 100)

    def test_a_run_that_dies_has_counted_what_it_committed(self) -> None:
        lines = [line(self.path) for _number in range(20)]
        calls: list[int] = []
        commit = counting._commit

        def dying(*arguments: Any) -> None:
            calls.append(1)
            if len(calls) == 3:
                raise KeyboardInterrupt
            commit(*arguments)

        with patch.object(counting, "BATCH", 6), patch.object(counting, "_commit", dying):
            self.assertRaises(KeyboardInterrupt, self.count, *lines)
        transaction.abort()
        self.assertEqual(self.alias.hits, 12)
        self.count()
        self.assertEqual(self.alias.hits, 20)

    def test_two_runs_at_a_time_count_once(self) -> None:
        commit = counting._commit

        def overtaken(*arguments: Any) -> None:
            with patch.object(counting, "_commit", commit):
                DownloadCounter(Library()).count(self.log)
            transaction.begin()
            commit(*arguments)

        with patch.object(counting, "_commit", overtaken):
            self.assertRaises(LogReadTwice, self.count, line(self.path), line(self.path))
        transaction.abort()
        self.assertEqual(self.alias.hits, 2)

    def test_files_that_are_gone(self) -> None:
        gone, dropped = self.added(), self.added()
        delete_content(gone)
        subtree = Library().subtree
        subtree.drop(subtree.alias(dropped.id))
        transaction.commit()
        counted = self.count(line(f"/{gone.id}/a"), line(f"/{gone.id}/a", 206, 5), line(f"/{dropped.id}/a"))
        self.assertEqual((counted.downloads, counted.unknown, gone.hits), (1, 1, 1))

    def test_nothing_is_counted_of_what_is_dropped_meanwhile(self) -> None:
        def drop() -> None:
            subtree = Library().subtree
            subtree.drop(subtree.alias(self.alias.id))

        subtree = Library().subtree
        subtree.count_downloads(subtree.alias(self.alias.id), date(2026, 1, 2), None, 1)
        elsewhere(lambda: Library().tree.run(drop))
        self.assertRaises(ConflictError, transaction.commit)
        transaction.abort()
        self.assertEqual(list(subtree.downloads), [])

    def test_counts_go_with_their_alias(self) -> None:
        self.count(line(self.path))
        subtree = Library().subtree
        self.assertEqual(list(subtree.downloads), [self.alias.id])
        subtree.drop(subtree.alias(self.alias.id))
        transaction.commit()
        self.assertEqual(list(subtree.downloads), [])

    def test_lines_without_end(self) -> None:
        self.count(line(self.path), "x" * 200_000 + "\n", line(self.path))
        self.assertEqual(self.alias.hits, 2)
        self.count(line(self.path), "y" * 200_000)
        self.assertEqual(self.alias.hits, 3)
        self.count("\n", line(self.path))
        self.assertEqual(self.alias.hits, 4)

    def test_the_schedule_reads_the_end_of_a_rotated_log_too(self) -> None:
        schedule = Schedule(self.log, 60)
        self.log.write_text(line(self.path))
        schedule.once()
        with self.log.open("a") as file:
            file.write(line(self.path))
        self.log.rename(self.folder / "access.log.1")
        schedule.once()
        self.log.write_text(line("/first") + line(self.path))
        schedule.once()
        transaction.abort()
        self.assertEqual(self.alias.hits, 3)

    def test_the_schedule_outlives_what_fails(self) -> None:
        self.log.mkdir()
        with self.assertLogs("librarian.library.counts.task", "ERROR"):
            Schedule(self.log, 60).once()

    def test_the_schedule_opens_the_tree_itself(self) -> None:
        self.log.touch()
        told: list[str] = []

        def once() -> None:  # in a thread without a session, as in the server
            with self.assertLogs("librarian.library.counts") as logs:
                logging.getLogger("librarian.library.counts").info("begun")
                Schedule(self.log, 60).once()
            told.extend(logs.output)

        thread = Thread(target=once)
        thread.start()
        thread.join()
        self.assertEqual([line for line in told if "not counted" in line], [])
        self.assertTrue(told)

    def test_logs_that_cannot_be_read(self) -> None:
        damaged = self.folder / "damaged.gz"
        whole = gzip.compress("".join(line(self.path, agent=str(n)) for n in range(5000)).encode())
        damaged.write_bytes(whole[: len(whole) // 2])
        for path in (self.folder, self.folder / "none", damaged):
            with self.assertRaises(UnreadableLog) as caught:
                self.count(path=path)
            self.assertEqual(caught.exception.path, str(path))
