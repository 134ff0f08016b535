"""The facts of an upload that is under way, as they lie beside its bytes."""

from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any

from librarian.store.interfaces import StoredBytes


@dataclass(frozen=True)
class Target:
    """A path of the named tree that the file gets, and on which conditions."""

    path: str  # with a leading slash, and none at its end
    parents: bool = False  # whether missing folders are made
    if_match: str | None = None  # the fields of RFC 9110, section 13.1, as they were sent
    if_none_match: str | None = None

    @property
    def filename(self) -> str:
        """The last name of the path."""
        return self.path.rpartition("/")[2]

    @property
    def conditions(self) -> dict[str, str]:
        """The fields that were sent, by their names in lower case."""
        found = {"if-match": self.if_match, "if-none-match": self.if_none_match}
        return {name: value for name, value in found.items() if value is not None}


@dataclass(frozen=True)
class UploadFacts:
    """What the client has declared, and how far the completion has come."""

    filename: str
    mimetype: str
    restricted: bool
    owner: str | None  # the id of a principal
    alias_id: int  # that the file gets
    created: datetime  # aware, in UTC
    until: datetime  # when the upload expires
    length: int | None = None  # bytes; None: not known yet
    expires: datetime | None = None  # when the file does
    most: int | None = None  # bytes that it may have; None: as many as there is room for
    link: str | None = None  # hex SHA-256 of the secret of the upload link that it came by
    target: Target | None = None  # None: the file gets no path
    digests: tuple[tuple[str, str], ...] = ()  # hashlib's name, lower-case hex
    stored: StoredBytes | None = None  # once all bytes have come and were found as declared
    named: bool = False  # once the file was added

    @classmethod
    def of(cls, stored: dict[str, Any]) -> "UploadFacts":
        """The facts in a JSON object that as_json() gave."""
        values = dict(stored)
        for name in ("created", "until", "expires"):
            values[name] = values[name] and datetime.fromisoformat(values[name])
        values["digests"] = tuple((name, digest) for name, digest in values["digests"])
        values["stored"] = values["stored"] and StoredBytes(**values["stored"])
        values["target"] = Target(**values["target"]) if values.get("target") else None
        return cls(**values)

    def as_json(self) -> dict[str, Any]:
        """A JSON object."""
        values = asdict(self)
        for name in ("created", "until", "expires"):
            values[name] = values[name] and values[name].isoformat()
        return values

    def size(self, come: int) -> int:
        """How many bytes the upload has; `come` are in its partial, which is empty once they are stored."""
        return come if self.stored is None else self.stored.size

    def with_(self, **changes: Any) -> "UploadFacts":
        """The same facts but for `changes`."""
        return replace(self, **changes)
