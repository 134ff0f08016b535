"""The description of the HTTP interfaces: every view is in it, with its methods, and it is valid."""

import json
import unittest
from functools import cache
from typing import Any
from urllib.parse import unquote

from openapi_spec_validator import OpenAPIV31SpecValidator

from librarian.testing.application import _application, request
from librarian.web.openapi.declaring import Described, described_paths, reason_against
from librarian.web.openapi.document import described_views, merged, path_and_parameters, with_head
from librarian.web.requests.methods import methods_of
from tests.support.layers import Functional
from tests.web.test_methods import LOOK_THEMSELVES, views

APP = "http://localhost:6543"
ENDPOINTS = ["app", "ops", "public", "restricted", "restricted-upload", "tracker", "upload"]


@cache
def description(endpoint: str) -> dict[str, Any]:
    answer = request("GET", f"{APP}/+openapi.json?endpoint={endpoint}")
    assert answer.status_int == 200, answer.text
    found: dict[str, Any] = json.loads(answer.body)
    return found


class Views(unittest.TestCase):
    layer = Functional

    def test_each_is_declared_or_says_why_not(self) -> None:
        """One that fails here is decorated with describes(), or, with a reason, with undescribed()."""
        silent = [
            name
            for name, view in views()
            if not described_paths(view["callable"])
            and not reason_against(view["callable"])
            and not view["route_name"]  # the static files of pages
        ]
        self.assertEqual(silent, [])

    def test_none_is_declared_and_says_why_not(self) -> None:
        both = [n for n, v in views() if described_paths(v["callable"]) and reason_against(v["callable"])]
        self.assertEqual(both, [])

    def test_those_that_are_not_described_are_few(self) -> None:
        found = sorted(name for name, view in views() if reason_against(view["callable"]))
        expected = ["AppRoot", "AppRoot +login", "AppRoot +logout", "DirectoryPage", "FilePage"]
        self.assertEqual(found, expected)

    def test_the_declared_methods_are_those_that_are_taken(self) -> None:
        for name, view in views():
            paths = described_paths(view["callable"])
            if not paths or name in LOOK_THEMSELVES:
                continue
            with self.subTest(view=name):
                declared = {method for path in paths for method in with_head(path.operations)}
                self.assertEqual(declared, set(methods_of(view["callable"])))

    def test_the_registered_name_is_in_the_path(self) -> None:
        for name, view in views():
            for described in described_paths(view["callable"]):
                with self.subTest(view=name, path=described.path):
                    self.assertIn(f"/{view['name']}" if view["name"] else "/", described.path)

    def test_no_view_has_one_path_twice(self) -> None:
        for name, view in views():
            paths = [
                (each.path, endpoint)
                for each in described_paths(view["callable"])
                for endpoint in each.endpoints
            ]
            self.assertEqual(len(paths), len(set(paths)), name)

    def test_endpoints_are_there(self) -> None:
        used = {endpoint for each in every_declaration() for endpoint in each.endpoints}
        self.assertEqual(sorted(used), ENDPOINTS)


def every_declaration() -> list[Described]:
    introspector = _application[0].registry.introspector
    return [each for view in described_views(introspector) if view for each in described_paths(view)]


class Documents(unittest.TestCase):
    layer = Functional

    def test_each_is_openapi_3_1(self) -> None:
        for endpoint in ENDPOINTS:
            with self.subTest(endpoint=endpoint):
                found = description(endpoint)
                OpenAPIV31SpecValidator(found).validate()
                self.assertEqual(found["openapi"], "3.1.0")
                self.assertTrue(found["paths"])

    def test_all_declarations_are_in_them(self) -> None:
        for described in every_declaration():
            for endpoint in described.endpoints:
                path, _parameters = path_and_parameters(described.path)
                operations = description(endpoint)["paths"][path]
                for method in with_head(described.operations):
                    self.assertIn(method.lower(), operations, path)

    def test_operations_have_ids_of_their_own(self) -> None:
        for endpoint in ENDPOINTS:
            paths = description(endpoint)["paths"].values()
            ids = [one["operationId"] for path in paths for name, one in path.items() if name != "parameters"]
            self.assertEqual(len(ids), len(set(ids)), endpoint)

    def test_names_lead_to_one_schema(self) -> None:
        """Two systems that give one name to different things would describe one of them wrongly."""
        found: dict[str, Any] = {}
        for endpoint in ENDPOINTS:
            for name, schema in description(endpoint)["components"]["schemas"].items():
                self.assertEqual(found.setdefault(name, schema), schema, name)

    def test_an_endpoint_that_is_not_there(self) -> None:
        answer = request("GET", f"{APP}/+openapi.json?endpoint=nowhere", {"Accept": "application/json"})
        self.assertEqual(answer.status_int, 400)
        self.assertIn("restricted-upload", answer.json_body["error"])

    def test_servers(self) -> None:
        self.assertEqual(description("app")["servers"], [{"url": "/"}])
        self.assertEqual(description("public")["servers"], [{"url": "http://localhost:8000/"}])

    def test_paths_are_plain(self) -> None:
        for described in every_declaration():
            self.assertEqual(unquote(described.path), described.path)
            self.assertTrue(described.path.startswith("/"))


class Merging(unittest.TestCase):
    def test_schemas_become_alternatives(self) -> None:
        one, other = (
            {"200": {"content": {"a/b": {"schema": {"type": kind}}}}} for kind in ("null", "string")
        )
        schema = {"anyOf": [{"type": "null"}, {"type": "string"}]}
        self.assertEqual(merged(one, other), {"200": {"content": {"a/b": {"schema": schema}}}})

    def test_what_only_one_has_stays(self) -> None:
        self.assertEqual(merged({"a": 1, "b": [1]}, {"b": [1, 2], "c": 3}), {"a": 1, "b": [1, 2], "c": 3})
