"""Databases in which people and credentials are stored under the former names of their classes."""

import unittest
from typing import Any

from librarian.people import service as people
from librarian.people.credentials import model
from librarian.people.credentials import service as credentials
from librarian.people.model import People, Person, Team
from librarian.tree.class_names import ClassNames


class FormerNames(unittest.TestCase):
    def test_each_stored_class_is_found_under_its_former_names(self) -> None:
        subtrees: list[Any] = [people.subtree, credentials.subtree]
        find = ClassNames(subtrees)
        former = "librarian.security"
        for module, name, kind in (
            (f"{former}.people.model", "People", People),
            (f"{former}.people.model", "Person", Person),
            (f"{former}.people.model", "Team", Team),
            (f"{former}.credentials.model", "CredentialsBranch", model.CredentialsSubtree),
            (f"{former}.credentials.model", "CredentialsSubtree", model.CredentialsSubtree),
            (f"{former}.credentials.model", "Account", model.Account),
            (f"{former}.credentials.model", "ApiToken", model.ApiToken),
            (f"{former}.credentials.model", "Session", model.Session),
        ):
            with self.subTest(f"{module}.{name}"):
                self.assertIs(find(None, module, name), kind)
