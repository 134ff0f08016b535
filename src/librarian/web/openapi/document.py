"""The description of one endpoint, collected from the registered views."""

import re
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from typing import Any

from pyramid.registry import Introspectable, Registry

from librarian.web.openapi.declaring import HTML, JSON, Answer, Body, Described, Operation, described_paths
from librarian.web.openapi.schemas import COUNT, FILE_ID, FILENAME, TEXT, Named, Schema, obj

#: The category of Pyramid's introspection where answers are noted that are given before there is a view.
ANSWERS = "described answers"
_PARAMETER = re.compile(r"\{([a-z_]+)(?::([a-z]+))?\}")
_SEGMENT: Schema = {"type": "string", "pattern": "^[^/]+$"}
_KINDS: Mapping[str | None, Schema] = {None: _SEGMENT, "int": FILE_ID, "name": FILENAME}
_REFUSAL = Named("Refusal", obj(error=TEXT, status=COUNT))
_REFUSED: Mapping[str, Schema] = {
    JSON: {"type": "object", "properties": _REFUSAL["properties"], "required": ["error", "status"]},
    "application/problem+json": {"type": "object", "required": ["title", "status"]},
    HTML: TEXT,
    "text/plain": TEXT,
}
_SECURITY: Mapping[str, Any] = {
    "basic": {"type": "http", "scheme": "basic"},
    "bearer": {"type": "http", "scheme": "bearer"},
}


def note_answer(registry: Registry, answer: Any) -> None:
    """Have what a function declares described as that of a view: it answers before there is one."""
    noted = Introspectable(ANSWERS, answer.__qualname__, answer.__qualname__, "answer")
    noted["callable"] = answer
    registry.introspector.add(noted)


def described_views(introspector: Any) -> Iterator[Any]:
    """Every registered view, and every function that answers before there is a view."""
    for category in ("views", ANSWERS):
        for entry in introspector.get_category(category) or ():
            yield entry["introspectable"]["callable"]


def declarations(introspector: Any, endpoint: str) -> list[Described]:
    """What there is at an endpoint, by path.  A view that is registered twice is there once."""
    views = {id(view): view for view in described_views(introspector) if view is not None}
    found = [each for view in views.values() for each in described_paths(view) if endpoint in each.endpoints]
    return sorted(found, key=lambda each: each.path)


def document_of(introspector: Any, endpoint: str, server: str) -> dict[str, Any]:
    """The description of an endpoint as OpenAPI 3.1 has it; `server` is its URL."""
    schemas: dict[str, Any] = {}
    paths: dict[str, Any] = {}
    for described in declarations(introspector, endpoint):
        path, parameters = path_and_parameters(described.path)
        operations = paths.setdefault(path, {"parameters": parameters} if parameters else {})
        for method, operation in with_head(described.operations).items():
            told = _operation(described, path, method, operation)
            known = operations.get(method.lower())
            operations[method.lower()] = told if known is None else merged(known, told)
    return {
        "openapi": "3.1.0",
        "info": {"title": f"librarian, endpoint {endpoint}", "version": version("librarian")},
        "servers": [{"url": server}],
        "paths": _resolved(paths, schemas),
        "components": {"schemas": schemas, "securitySchemes": _SECURITY},
        "security": [{}, *({name: []} for name in _SECURITY)],
    }


def merged(one: Any, other: Any) -> Any:
    """Two declarations of one operation, as views of several kinds of things at one path make them."""
    if one == other or other is None:
        return one
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        if "schema" in one and "schema" in other and one.get("name") == other.get("name"):
            return {**one, "schema": {"anyOf": [one["schema"], other["schema"]]}}
        return {name: merged(one.get(name), other.get(name)) for name in {**one, **other}}
    if isinstance(one, list) and isinstance(other, list):
        return [*one, *(each for each in other if each not in one)]
    return other if one is None else one


def path_and_parameters(template: str) -> tuple[str, list[dict[str, Any]]]:
    """The path of a declaration as OpenAPI writes it, and its parameters."""
    parameters = [
        {"name": name, "in": "path", "required": True, "schema": _KINDS[kind or None]}
        for name, kind in _PARAMETER.findall(template)
    ]
    return _PARAMETER.sub(r"{\1}", template), parameters


def with_head(operations: Mapping[str, Operation]) -> dict[str, Operation]:
    """The operations with HEAD, which GET brings along."""
    found = dict(operations)
    if "GET" in found and "HEAD" not in found:
        get = found["GET"]
        answers = tuple(Answer(each.status, each.summary, {}, each.headers) for each in get.answers)
        found["HEAD"] = Operation(
            f"The head of: {get.summary}", answers, None, get.query, get.headers, get.required
        )
    return found


def _operation(described: Described, path: str, method: str, operation: Operation) -> dict[str, Any]:
    found: dict[str, Any] = {
        "operationId": re.sub(r"\W+", "_", f"{method.lower()}{path}").strip("_"),
        "summary": operation.summary or f"{method} {path}",
        "responses": {str(each.status): _response(each) for each in operation.answers},
    }
    refused = {} if method == "HEAD" else _REFUSED if described.refusal is None else described.refusal
    for statuses, why in (("4XX", "Refused"), ("503", "Not now"), ("507", "No room")):
        found["responses"].setdefault(statuses, _response(Answer(0, why, refused)))
    if operation.query or operation.headers:
        found["parameters"] = _parameters(operation)
    if operation.body is not None:
        found["requestBody"] = _body(operation.body)
    return found


def _parameters(operation: Operation) -> list[dict[str, Any]]:
    return [
        {"name": name, "in": where, "schema": schema, "required": name in operation.required}
        for where, schemas in (("query", operation.query), ("header", operation.headers))
        for name, schema in schemas.items()
    ]


def _body(body: Body) -> dict[str, Any]:
    return {"required": body.required, "content": _content(body.content)}


def _response(answer: Answer) -> dict[str, Any]:
    found: dict[str, Any] = {"description": answer.summary}
    if answer.content:
        found["content"] = _content(answer.content)
    if answer.headers:
        found["headers"] = {name: {"schema": TEXT} for name in answer.headers}
    return found


def _content(content: Mapping[str, Schema]) -> dict[str, Any]:
    return {kind: {"schema": schema} if schema else {} for kind, schema in content.items()}


def _resolved(value: Any, schemas: dict[str, Any]) -> Any:
    """`value` with references in place of named schemas, which are put into `schemas`."""
    if isinstance(value, Named):
        if value.name not in schemas:
            schemas[value.name] = {}  # one that contains itself is referred to already
            schemas[value.name] = {name: _resolved(inner, schemas) for name, inner in value.items()}
        return {"$ref": f"#/components/schemas/{value.name}"}
    if isinstance(value, Mapping):
        return {name: _resolved(inner, schemas) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_resolved(inner, schemas) for inner in value]
    return value
