"""A client that compares each answer with what the description says of it."""

import json
import re
from typing import Any
from urllib.parse import quote, urlencode

from jsonschema import Draft202012Validator, FormatChecker

from librarian.testing.application import request
from tests.web.openapi.test_document import description

PORTS = {
    "app": 6543,
    "public": 8000,
    "restricted": 8005,
    "upload": 9090,
    "restricted-upload": 9095,
    "ops": 9191,
    "tracker": 9999,
}


class DescribedClient:
    """Asks by the operations of the description; `asked` are those that were, as endpoint, method, path."""

    def __init__(self, authorization: str) -> None:
        self._authorization = authorization
        self.asked: set[tuple[str, str, str]] = set()

    def ask(
        self,
        method: str,
        path: str,
        *values: Any,
        endpoint: str = "app",
        expect: int = 200,
        body: Any = None,
        headers: dict[str, str] | None = None,
        **query: Any,
    ) -> Any:
        """The answer, as JSON where it is that; `values` are those of the path's parameters in order."""
        operation = description(endpoint)["paths"][path][method.lower()]
        self.asked.add((endpoint, method, path))
        left = list(values)
        url = re.sub(r"\{\w+\}", lambda _match: quote(str(left.pop(0)), safe=""), path)
        url = f"http://localhost:{PORTS[endpoint]}{url}" + (f"?{urlencode(query)}" if query else "")
        fields = {"Accept": "application/json", "Authorization": self._authorization, **(headers or {})}
        if body is not None and not isinstance(body, bytes):
            fields["Content-Type"], body = "application/json", json.dumps(body).encode()
        answer = request(method, url, fields, body or b"", REMOTE_ADDR="127.0.0.1")
        assert answer.status_int == expect, (method, url, answer.status, answer.text[:300])
        self._compare(f"{method} {path}", operation, answer, description(endpoint))
        is_json = answer.content_type == "application/json" and method != "HEAD"
        return answer.json_body if is_json else answer

    def _compare(self, what: str, operation: Any, answer: Any, document: Any) -> None:
        told = operation["responses"].get(str(answer.status_int))
        assert told is not None, f"{what}: {answer.status} is not described"
        if 300 <= answer.status_int < 400:
            return
        if "Location" in told.get("headers", {}):
            assert "Location" in answer.headers, f"{what}: no Location"
        content = told.get("content", {})
        assert answer.content_type in content or "*/*" in content or not answer.body, (
            f"{what}: {answer.content_type} is not described"
        )
        schema = content.get(answer.content_type, {}).get("schema")
        if schema is not None and answer.body and answer.content_type.endswith("json"):
            found = {**schema, "components": document["components"]}
            Draft202012Validator(found, format_checker=FormatChecker()).validate(answer.json_body)


def operations(endpoint: str) -> set[tuple[str, str, str]]:
    """All operations of an endpoint but HEAD, which tests of methods compare with GET."""
    return {
        (endpoint, method.upper(), path)
        for path, described in description(endpoint)["paths"].items()
        for method in described
        if method not in ("parameters", "head")
    }
