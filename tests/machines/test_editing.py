"""Imports: the values of their fields, and the events of changes."""

import unittest
from datetime import timedelta
from typing import Any

from librarian.machines.editing import edit_import, new_import
from librarian.machines.enums import CodeImportReviewStatus, RevisionControlSystem
from librarian.machines.interfaces import BadCodeImport, CodeImportExists
from librarian.machines.urls import checked_url
from tests.machines.world import World

GIT, HG, SVN = RevisionControlSystem


class Fields(unittest.TestCase):
    def setUp(self) -> None:
        self.world = World()

    def test_refusals_name_the_field(self) -> None:
        for field, values in {
            "name": ("", "Gimp", "a b", "../x", "-x", "x" * 101, "a\n", "+x"),
            "owner": ("",),
            "update_interval": (timedelta(0), timedelta(seconds=-5), timedelta(days=400)),
            "review_status": ("REVIEWED", None),
            "url": ("/etc", "nonsense"),
        }.items():
            for value in values:
                fields: dict[str, Any] = {"name": "gimp", "owner": "sam", "url": "https://example.com/x"}
                with self.subTest(field=field, value=value), self.assertRaises(BadCodeImport) as caught:
                    self.make(fields | {field: value})
                self.assertEqual(caught.exception.field, field)
        self.assertEqual(len(self.world.registry.imports) + len(self.world.registry.events), 0)

    def make(self, fields: dict[str, Any]) -> None:
        new_import(self.world.registry, self.world.context(), rcs_type=GIT, **fields)

    def test_names_are_unique(self) -> None:
        self.world.code_import("gimp")
        self.assertRaises(CodeImportExists, self.world.code_import, "gimp")


class Changes(unittest.TestCase):
    def setUp(self) -> None:
        self.world = World()
        self.code_import = self.world.code_import("gimp")

    def edit(self, **changes: Any) -> list[tuple[str, str]] | None:
        event = edit_import(self.world.registry, self.code_import, changes, self.world.context("kim"))
        return event and [(data_type.name, value) for data_type, value in event.items()]

    def test_the_event_of_creation_has_every_field(self) -> None:
        (event,) = self.world.registry.events.of_import("gimp")
        self.assertEqual(
            [(data_type.name, value) for data_type, value in event.items()],
            [
                ("CODE_IMPORT", "gimp"),
                ("OWNER", "sam"),
                ("REVIEW_STATUS", "REVIEWED"),
                ("ASSIGNEE", ""),
                ("UPDATE_INTERVAL", "6:00:00"),
                ("URL", "https://example.com/gimp.git"),
            ],
        )

    def test_the_event_of_a_change_has_old_and_new_values(self) -> None:
        self.assertEqual(
            self.edit(owner="kim", assignee="lee"),
            [
                ("CODE_IMPORT", "gimp"),
                ("OWNER", "kim"),
                ("OLD_OWNER", "sam"),
                ("ASSIGNEE", "lee"),
                ("OLD_ASSIGNEE", ""),
            ],
        )

    def test_a_change_to_the_same_value_leaves_no_event(self) -> None:
        self.assertIsNone(self.edit(owner="sam", review_status=CodeImportReviewStatus.REVIEWED))
        self.assertEqual(len(self.world.registry.events.of_import("gimp")), 1)

    def test_one_bad_field_changes_nothing(self) -> None:
        with self.assertRaises(BadCodeImport):
            self.edit(owner="kim", url="ext::sh -c id")
        with self.assertRaises(BadCodeImport):
            self.edit(owner="kim", name="other")
        self.assertEqual(self.code_import.owner, "sam")


class Urls(unittest.TestCase):
    def test_accepted_urls(self) -> None:
        for rcs_type, url in (
            (GIT, "https://example.com/a.git"),
            (GIT, "http://127.0.0.1:8080/a"),
            (GIT, "ssh://git@example.com/a"),
            (GIT, "git://[2001:db8::1]/a"),
            (GIT, "file:///srv/a.git"),
            (HG, "https://example.com/hg/a"),
            (SVN, "svn+ssh://kim@example.com/a/trunk"),
        ):
            with self.subTest(url=url):
                self.assertEqual(checked_url(url, rcs_type), url)

    def test_refused_urls(self) -> None:
        for rcs_type, url in (
            (GIT, ""),
            (GIT, "/srv/a.git"),
            (GIT, "ext::sh -c touch% /tmp/pwned"),
            (GIT, "ext::https://example.com/"),
            (GIT, "file://host/srv/a"),
            (GIT, "file:a"),
            (GIT, "--upload-pack=id"),
            (GIT, "ssh://-oProxyCommand=id/a"),
            (GIT, "ssh://-oProxyCommand=id@example.com/a"),
            (GIT, "https://sam:secret@example.com/a"),
            (GIT, "https:///a"),
            (GIT, "https://example.com:99999/a"),
            (GIT, "https://example.com/a\nb"),
            (GIT, "https://example.com/a b"),
            (GIT, "https://exämple.com/"),
            (GIT, "https://example.com/" + "a" * 2000),
            (GIT, "https://[::1/a"),
            (GIT, "javascript:alert(1)"),
            (GIT, "svn://example.com/a"),
            (HG, "bundle:/etc/passwd"),
            (HG, "git://example.com/a"),
            (SVN, "git://example.com/a"),
        ):
            with self.subTest(url=url), self.assertRaises(BadCodeImport) as caught:
                checked_url(url, rcs_type)
            self.assertEqual(caught.exception.field, "url")
            self.assertNotIn("secret", str(caught.exception))
