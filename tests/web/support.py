"""People for tests of the web application."""

import base64
import unittest
from typing import Any

import transaction
from zope.component import getUtility

from librarian.people.credentials.interfaces import ICredentialSet
from librarian.people.credentials.passwords import hash_password
from librarian.people.credentials.service import the_subtree
from librarian.people.interfaces import ICelebrities, IPersonSet
from tests.support.layers import Functional
from tests.support.servers.in_process import browser

APP = "http://localhost:6543"
GOOD = "seven green bottles"
HASH = hash_password(GOOD)  # once, since it takes its time by design


class PeopleInTheWorld(unittest.TestCase):
    """Amy is an administrator, bob and cat have no roles; all have the same good password."""

    layer = Functional

    def setUp(self) -> None:
        self.world = self.layer.world
        people = getUtility(IPersonSet)
        for name in ("amy", "bob", "cat"):
            people.new(name, name.title(), f"{name}@example.com")
            the_subtree().account(name).password_hash = HASH
        getUtility(ICelebrities).admins.addMember(people["amy"])
        transaction.commit()
        self.bobs = browser()

    def log_in(self, name: str) -> Any:
        """Fill in the form, in bob's browser."""
        form = self.bobs.get("/+login").form
        form["name"], form["password"] = name, GOOD
        return form.submit()

    def token(self, name: str, *scopes: str) -> str:
        """The secret of a new API token."""
        new = getUtility(ICredentialSet).of(getUtility(IPersonSet)[name]).newToken("t", list(scopes))
        transaction.commit()
        return str(new.secret)

    def basic(self, name: str, password: str) -> str:
        return "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()
