"""What the utilities hand out provides the interfaces that they promise."""

import unittest

from zope.component import getUtility
from zope.interface.verify import verifyObject
from zope.security.proxy import removeSecurityProxy

from librarian.library.interfaces import IFileHolder
from librarian.machines.interfaces import (
    ICodeImport,
    ICodeImportEvent,
    ICodeImportEventSet,
    ICodeImportJob,
    ICodeImportMachine,
    ICodeImportMachineSet,
    ICodeImportResult,
    ICodeImportSet,
    ICordon,
)
from librarian.machines.scheduler.interfaces import ICodeImportScheduler
from tests.support.documents.machines import new_import
from tests.support.layers import Functional


class Contracts(unittest.TestCase):
    layer = Functional

    def test_utilities(self) -> None:
        for interface in (ICodeImportMachineSet, ICodeImportSet, ICodeImportEventSet, ICodeImportScheduler):
            with self.subTest(interface.__name__):
                verifyObject(interface, removeSecurityProxy(getUtility(interface)))

    def test_objects(self) -> None:
        code_import = new_import("gimp")
        machine = getUtility(ICodeImportScheduler).arrive("apollo")
        job = getUtility(ICodeImportScheduler).getJobForMachine("apollo", 1)
        code_import.kill()
        machine.addCordon("a test")
        for interface, thing in (
            (ICodeImportMachine, machine),
            (ICordon, machine.cordon),
            (ICodeImport, code_import),
            (IFileHolder, code_import),
            (ICodeImportJob, job),
            (ICodeImportResult, code_import.results[0]),
            (ICodeImportEvent, machine.events[0]),
        ):
            with self.subTest(interface.__name__):
                verifyObject(interface, removeSecurityProxy(thing))
