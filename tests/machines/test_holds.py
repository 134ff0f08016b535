"""Which files of an import the garbage collector of the library keeps."""

import unittest
from io import BytesIO
from typing import Any

import transaction
from zope.component import getUtility

from librarian.library.interfaces import AliasNotFound, ILibraryFileAliasSet
from librarian.library.operations import Library
from librarian.library.upkeep.garbage.collector import GarbageCollector
from librarian.machines.enums import CodeImportResultStatus
from librarian.machines.interfaces import ICodeImportSet
from librarian.machines.scheduler.interfaces import ICodeImportScheduler
from tests.support.documents.machines import new_import
from tests.support.layers import Functional


class Holds(unittest.TestCase):
    layer = Functional

    def setUp(self) -> None:
        self.scheduler = getUtility(ICodeImportScheduler)
        self.clock = Functional.world.clock
        self.gimp = new_import("gimp")
        transaction.commit()

    def run_job(self, bundle: bytes, status: str = "SUCCESS") -> tuple[int, int]:
        """One job that hands in a log and `bundle`; their ids."""
        if self.gimp.import_job.date_due > self.clock.now():
            self.clock.set(self.gimp.import_job.date_due)
        job = self.scheduler.getJobForMachine("apollo", 1)
        self.scheduler.startJob(job.id, "apollo")
        log_id = self.scheduler.addFile(job.id, "apollo", "log", 3, BytesIO(b"log"))
        bundle_id = self.scheduler.addFile(job.id, "apollo", "bundle", len(bundle), BytesIO(bundle))
        self.scheduler.finishJob(job.id, "apollo", CodeImportResultStatus[status])
        transaction.commit()
        return log_id, bundle_id

    def collect_for_weeks(self) -> None:
        for _week in range(4):
            self.clock.move(days=8)
            GarbageCollector(Library()).run()
            transaction.begin()

    def is_there(self, alias_id: int) -> bool:
        files: Any = getUtility(ILibraryFileAliasSet)
        try:
            return files[alias_id].content is not None
        except AliasNotFound:
            return False

    def test_the_newest_bundle_and_all_logs_stay_and_older_bundles_go(self) -> None:
        first_log, first = self.run_job(b"one")
        second_log, second = self.run_job(b"two")
        failed_log, failed = self.run_job(b"three", "FAILURE")
        self.collect_for_weeks()
        there = [self.is_there(one) for one in (first_log, second_log, failed_log, first, second, failed)]
        self.assertEqual(there, [True, True, True, False, True, False])

    def test_a_deleted_import_releases_its_files(self) -> None:
        log_id, bundle_id = self.run_job(b"one")
        getUtility(ICodeImportSet).delete("gimp")
        transaction.commit()
        self.collect_for_weeks()
        self.assertFalse(self.is_there(log_id) or self.is_there(bundle_id))

    def test_a_second_upload_replaces_the_first(self) -> None:
        job = self.scheduler.getJobForMachine("apollo", 1)
        self.scheduler.startJob(job.id, "apollo")
        ids = [
            self.scheduler.addFile(job.id, "apollo", "bundle", 1, BytesIO(bundle)) for bundle in (b"a", b"b")
        ]
        self.scheduler.finishJob(job.id, "apollo", CodeImportResultStatus.SUCCESS)
        transaction.commit()
        self.assertEqual(self.gimp.bundle_file, ids[1])
        self.collect_for_weeks()
        self.assertEqual([self.is_there(one) for one in ids], [False, True])
