"""JSON Schema (2020-12, as OpenAPI 3.1 uses it), written shortly.

An object lists its properties; all of them are there, but for those marked `maybe`, and there are no others:
what a view adds without declaring it fails the tests.
"""

from collections.abc import Iterable, Mapping
from enum import Enum
from typing import Any

Schema = Mapping[str, Any]


class Named(dict[str, Any]):
    """A schema that the description has once, under its name."""

    def __init__(self, name: str, schema: Schema) -> None:
        super().__init__(schema)
        self.name = name


class Maybe(dict[str, Any]):
    """The schema of a property that may be absent."""


ANYTHING: Schema = {}
TEXT: Schema = {"type": "string"}
WORD: Schema = {"type": "string", "minLength": 1}
NUMBER: Schema = {"type": "number"}
COUNT: Schema = {"type": "integer", "minimum": 0}
FLAG: Schema = {"type": "boolean"}
TIME: Schema = {"type": "string", "format": "date-time", "description": "RFC 3339"}
DAY: Schema = {"type": "string", "format": "date"}
#: A day or a time as people state it; empty, as a form sends it, says nothing.
MOMENT: Schema = {"anyOf": [DAY, TIME, {"type": "string", "maxLength": 0}]}
SIZE: Schema = {"type": "integer", "minimum": 0, "description": "bytes"}
URL: Schema = {"type": "string", "format": "uri-reference"}
SHA256: Schema = {"type": "string", "pattern": "^[0-9a-f]{64}$"}
SHA1: Schema = {"type": "string", "pattern": "^[0-9a-f]{40}$"}
MD5: Schema = {"type": "string", "pattern": "^[0-9a-f]{32}$"}
#: Ids are exact in JSON and in JavaScript.
FILE_ID: Schema = {"type": "integer", "minimum": 1, "maximum": 2**53 - 1}
#: A name of a file or folder: at most 255 bytes of UTF-8, without control characters and line ends.
FILENAME: Schema = {
    "type": "string",
    "pattern": r"^[^/\u0000-\u001f\u007f-\u009f\u2028\u2029]+$",
    "maxLength": 255,
    "not": {"enum": [".", ".."]},
}
#: What librarian.web.forms.checked() takes: a checkbox or a button of a form, or a value of JSON.
CHECKBOX: Schema = {"enum": [True, False, 0, 1, "true", "false", "yes", "no", "on", "off", "0", "1"]}


def obj(**properties: Schema) -> Schema:
    """An object with these properties and no others."""
    return {
        "type": "object",
        "properties": {
            name: dict(schema) if isinstance(schema, Maybe) else schema for name, schema in properties.items()
        },
        "required": [name for name, schema in properties.items() if not isinstance(schema, Maybe)],
        "additionalProperties": False,
    }


def extended(base: Schema, **properties: Schema) -> Schema:
    """The object `base` with more properties."""
    more = obj(**properties)
    return {
        **base,
        "properties": {**base["properties"], **more["properties"]},
        "required": [*base["required"], *more["required"]],
    }


def maybe(schema: Schema) -> Maybe:
    """A property that may be absent."""
    return Maybe({"allOf": [schema]} if isinstance(schema, Named) else schema)


def nullable(schema: Schema) -> Schema:
    """The schema, or null."""
    if isinstance(schema, Named) or "type" not in schema:
        return {"anyOf": [schema, {"type": "null"}]}
    listed = {"enum": [*schema["enum"], None]} if "enum" in schema else {}
    return {**schema, "type": [schema["type"], "null"], **listed}


def array(items: Schema) -> Schema:
    """A list."""
    return {"type": "array", "items": items}


def mapping(values: Schema) -> Schema:
    """An object whose names are data."""
    return {"type": "object", "additionalProperties": values}


def one_of(choices: Iterable[Any]) -> Schema:
    """One of some strings; of the members of an enumeration by their names."""
    names = [choice.name if isinstance(choice, Enum) else choice for choice in choices]
    return {"type": "string", "enum": names}


def told(schema: Schema, description: str) -> Schema:
    """The schema with a description of the value."""
    return {**schema, "description": description}
