"""The n-th hostile request of a seed: always the same bytes, whatever was sent before it."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from random import Random
from urllib.parse import quote

from tests.fuzz import field_values, words
from tests.fuzz.bodies import any_body, damaged
from tests.fuzz.words import WORDS, Facts

WITH_BODY = ("POST", "PUT", "PATCH")

# Behind each a body of three bytes, and then a request that must not be understood as one.
FRAMINGS = (
    "Content-Length: 3\r\nTransfer-Encoding: chunked",
    "Transfer-Encoding: chunked\r\nContent-Length: 3",
    "Content-Length: 3\r\nContent-Length: 5",
    "Content-Length: 3, 3",
    "Content-Length: +3",
    "Content-Length: -3",
    "Content-Length: 0x3",
    "Content-Length: \xb3",
    "Content-Length:",
    "Content-Length: " + "3" * 4301,
    "Content-Length: " + "3" * 25,
    "Content-Length : 3",
    "Content-Length: 3\r\n folded",
    "Transfer-Encoding: gzip, chunked",
    "Transfer-Encoding: chunked, chunked",
    "Transfer-Encoding: xchunked",
    "Transfer-Encoding: \x0bchunked",
    "Transfer-Encoding:",
    "Transfer-Encoding: identity",
)
CHUNKS = (
    b"100000000000000000\r\nabc\r\n0\r\n\r\n",
    b"ffffffffffffffff\r\nabc\r\n0\r\n\r\n",
    b"-3\r\nabc\r\n0\r\n\r\n",
    b"+3\r\nabc\r\n0\r\n\r\n",
    b"0x3\r\nabc\r\n0\r\n\r\n",
    b"3 \r\nabc\r\n0\r\n\r\n",
    b"zz\r\nabc\r\n0\r\n\r\n",
    b"3\nabc\n0\n\n",
    b"3\r\nabcd\r\n0\r\n\r\n",
    b"3;" + b"x" * 70_000 + b"\r\nabc\r\n0\r\n\r\n",
    b'3;a="\r\nabc\r\n0\r\n\r\n',
    b"3\r\nabc\r\n0\r\nContent-Length: 5\r\n\r\n",
    b"3\r\nabc\r\n0\r\n" + b"a: b\r\n" * 20_000 + b"\r\n",
)
SMUGGLED = b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
GARBAGE = (
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"\r\n" * 2000 + b"GET / HTTP/1.1\r\n\r\n",
    b"GET\r\n\r\n",
    b"GET /\r\n\r\n",
    b"GET / HTTP/1.1\n\n",
    b"GET / HTTP/1.1 \r\n\r\n",
    b"GET  / HTTP/1.1\r\n\r\n",
    b"GET / HTTP/9.9\r\n\r\n",
    b"get / HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\n" + b"a: b\r\n" * 5000 + b"\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\n" + b"a" * 300_000 + b": b\r\n\r\n",
    b"GET /" + b"a" * 300_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET http://[/ HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET http://" + b"a." * 50_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n",
    b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
    b"CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\n\x00: b\r\n\r\n",
)


@dataclass(frozen=True)
class Attempt:
    """What is sent on one connection."""

    index: int
    endpoint: str
    pieces: tuple[bytes, ...]  # each in a packet of its own
    half_close: bool = True  # whether the server is told that nothing more comes
    abandon: bool = False  # whether the client leaves without a look at the answer
    # If all of it is well framed, the method and the body of each request; empty otherwise.
    requests: tuple[tuple[str, bytes], ...] = ()

    @property
    def sent(self) -> bytes:
        return b"".join(self.pieces)


def attempt(seed: str, index: int, facts: Facts) -> Attempt:
    """The attempt number `index` of `seed`, against what `facts` say is there."""
    chance = Random(f"{seed}/{index}")
    maker = Maker(chance, facts, chance.choice((*words.ENDPOINTS, "app", "app", "app")))
    kind = chance.random()
    if kind < 0.60:
        return maker.whole(index)
    if kind < 0.68:
        return maker.pipelined(index)
    if kind < 0.78:
        return maker.badly_framed(index)
    if kind < 0.92:
        return maker.damaged(index)
    if kind < 0.96:
        return maker.abandoned(index)
    return Attempt(index, maker.endpoint, (chance.choice((*GARBAGE, chance.randbytes(200))),))


class Maker:
    """Makes the requests of one attempt."""

    def __init__(self, chance: Random, facts: Facts, endpoint: str) -> None:
        self.chance = chance
        self.facts = facts
        self.endpoint = endpoint
        self._target = ""  # where the request at hand must go; empty: anywhere

    def whole(self, index: int) -> Attempt:
        """One well-framed request; all that is wrong with it is what it says."""
        closes = self.chance.random() < 0.4
        method, body, wire = self.request(closes)
        return self._attempt(index, wire, half_close=not closes, requests=((method, body),))

    def pipelined(self, index: int) -> Attempt:
        closes, number = self.chance.random() < 0.4, self.chance.randint(2, 6)
        made = [self.request(closes and each == number - 1) for each in range(number)]
        wire = b"".join(each[2] for each in made)
        told = tuple((method, body) for method, body, _wire in made)
        return self._attempt(index, wire, half_close=not closes, requests=told)

    def badly_framed(self, index: int) -> Attempt:
        method = self.chance.choice(WITH_BODY)
        if self.chance.random() < 0.5:
            head = self.head(method, [self.chance.choice(FRAMINGS)])
            wire = head + self.chance.choice((b"abc", b"3\r\nabc\r\n0\r\n\r\n"))
        else:
            wire = self.head(method, ["Transfer-Encoding: chunked"]) + self.chance.choice(CHUNKS)
        return self._attempt(index, wire + SMUGGLED)

    def damaged(self, index: int) -> Attempt:
        """A good request with wrong bytes in it, or without its end."""
        wire = self.request(closes=False)[2]
        if self.chance.random() < 0.3:
            return self._attempt(index, wire[: self.chance.randrange(len(wire))])
        return self._attempt(index, damaged(self.chance, wire))

    def abandoned(self, index: int) -> Attempt:
        wire = self.request(closes=False)[2]
        cut = self.chance.choice((len(wire), self.chance.randrange(len(wire))))
        return self._attempt(index, wire[:cut], abandon=True)

    def _attempt(self, index: int, wire: bytes, **more: object) -> Attempt:
        places = sorted(self.chance.randrange(len(wire) + 1) for _ in range(self.chance.choice((0, 0, 1, 3))))
        cuts = [0, *places, len(wire)]
        pieces = (wire[start:end] for start, end in pairwise(cuts))
        return Attempt(index, self.endpoint, tuple(filter(None, pieces)), **more)  # type: ignore[arg-type]

    def request(self, closes: bool) -> tuple[str, bytes, bytes]:
        """Method, body, and both on the wire."""
        method, self._target = self.chance.choice(words.METHODS[self.endpoint]), ""
        known = None
        if method == "POST" and self.endpoint == "app" and self.chance.random() < 0.7:
            self._target, known = self._form()
        kind, body = any_body(self.chance, known) if self._has_body(method) else ("", b"")
        fields = [f"Content-Type: {kind}"] if kind else []
        if closes:
            fields.append("Connection: close")
        if self.chance.random() < 0.06:
            fields.append("Expect: 100-continue")
        if self.chance.random() < 0.25 and body:
            return (
                method,
                body,
                self.head(method, [*fields, "Transfer-Encoding: chunked"]) + self.chunked(body),
            )
        if body or self.chance.random() < 0.3:
            fields.append(f"Content-Length: {len(body)}")
        return method, body, self.head(method, fields) + body

    def _form(self) -> tuple[str, dict[str, object]]:
        """A form, and where it belongs."""
        target, known = self.chance.choice(words.FORMS)
        filled = {name: self.filled(said) if isinstance(said, str) else said for name, said in known.items()}
        return target, filled

    def _has_body(self, method: str) -> bool:
        return self.chance.random() < (0.95 if method in WITH_BODY else 0.04)

    def chunked(self, body: bytes) -> bytes:
        cuts = sorted({0, len(body), *(self.chance.randrange(len(body)) for _ in range(3))})
        chunks = [body[start:end] for start, end in pairwise(cuts)]
        wire = b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks)
        return wire + self.chance.choice((b"0\r\n\r\n", b"000;a=b\r\n\r\n", b"0\r\na: b\r\n\r\n"))

    def head(self, method: str, fields: list[str]) -> bytes:
        """The first line and all fields; those in `fields`, which frame the body, as they are."""
        target = self.filled(self._target or self.chance.choice(words.TARGETS[self.endpoint]))
        host = (
            "localhost" if self.chance.random() < 0.9 else self.filled(self.chance.choice(field_values.HOSTS))
        )
        if self.chance.random() < 0.04:
            target = f"http://{self.filled(self.chance.choice(field_values.HOSTS))}{target}"
        lines = [f"{method} {target} HTTP/1.1", f"Host: {host}", *self.said(), *fields]
        return "\r\n".join([*lines, "", ""]).encode("latin-1", "replace")

    def said(self) -> list[str]:
        """Fields that do not say where the request ends."""
        sayings: tuple[tuple[float, Callable[[], str]], ...] = (
            (0.4, lambda: "Accept: " + self.chance.choice(field_values.ACCEPTS)),
            (0.8 if self.endpoint == "app" else 0.05, lambda: f"Authorization: Bearer {self.facts.bearer}"),
            (0.02, lambda: "Authorization: " + self.chance.choice(field_values.AUTHORIZATIONS)),
            (0.1, lambda: "Cookie: " + self.chance.choice(field_values.COOKIES)),
            (0.2, lambda: "Range: " + self.chance.choice(field_values.RANGES)),
            (0.1, self._condition),
            (0.1, self._digest),
            (0.25, self._odd),
            (0.1, self._odd),
        )
        return [say() for likelihood, say in sayings if self.chance.random() < likelihood]

    def _condition(self) -> str:
        if self.chance.random() < 0.5:
            name = self.chance.choice(("If-Match", "If-None-Match", "If-Range"))
            return f"{name}: {self.chance.choice(field_values.ETAGS)}"
        name = self.chance.choice(("If-Modified-Since", "If-Unmodified-Since", "If-Range", "Date"))
        return f"{name}: {self.chance.choice(field_values.DATES)}"

    def _digest(self) -> str:
        name = self.chance.choice(
            ("Repr-Digest", "Content-Digest", "Content-MD5", "Digest", "Want-Repr-Digest")
        )
        return f"{name}: {self.chance.choice(field_values.DIGESTS)}"

    def _odd(self) -> str:
        values = (
            *WORDS,
            *field_values.DATES,
            *field_values.DIGESTS,
            "gzip",
            "identity",
            "?0",
            "?1",
            "bytes 0-1/3",
        )
        return f"{self.chance.choice(field_values.ODD_FIELDS)}: {self.chance.choice(values)}"

    def filled(self, template: str) -> str:
        """`template` with something for each name in braces."""
        return re.sub(r"\{(\w+)\}", lambda found: self._filling(found[1]), template)

    def _filling(self, name: str) -> str:
        facts, chance = self.facts, self.chance
        known = {
            "path": (facts.paths.get(self.endpoint, "/1/x"),),
            "id": facts.ids,
            "victim": (facts.victim,),
            "token": (facts.token,),
            "digest": facts.digests,
            **words.NAMES,
        }
        if name in known:
            return chance.choice(known[name])
        if name == "number":
            return str(chance.choice((0, 1, -1, 7, 2**31, 2**53, 10**30, chance.randrange(10**12))))
        said = chance.choice(field_values.DATES if name == "date" else WORDS)
        return quote(said, safe="/", encoding="latin-1") if chance.random() < 0.9 else said
