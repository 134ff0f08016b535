"""Databases that an earlier version has written."""

import unittest

import transaction
import ZODB

from librarian.machines.enums import CodeImportMachineState
from librarian.machines.model.registry import CodeImportRegistry, subtree
from tests.machines.world import World


class HeldBecomesPinned(unittest.TestCase):
    def test_every_machine_keeps_its_pin(self) -> None:
        connection = ZODB.connection(None)
        self.addCleanup(connection.close)
        world = World()
        connection.root()["machines"] = world.registry
        for hostname, held, person in (("apollo", True, "anna"), ("boris", False, None)):
            machine = world.machine(hostname, CodeImportMachineState.OFFLINE)
            del machine.pinned, machine.pinned_by
            machine.held, machine.held_by = held, person
        transaction.commit()
        connection.cacheMinimize()
        registry: CodeImportRegistry = connection.root()["machines"]
        subtree.steps[-1](registry)
        transaction.commit()
        connection.cacheMinimize()
        found = {name: (one.pinned, one.pinned_by) for name, one in registry.machines.items()}
        self.assertEqual(found, {"apollo": (True, "anna"), "boris": (False, None)})
        self.assertFalse(any(hasattr(machine, "held") for machine in registry.machines.values()))
