"""Servers with one fault each, for the proof that the fuzzer sees it: python -m tests.fuzz.faulty FAULT."""

import json
import logging
import os
import sys
import time
from collections.abc import Callable
from itertools import count
from typing import Any

import waitress

_number = count(1)
_kept: list[Any] = []


def good(environ: Any) -> tuple[str, bytes]:
    """A refusal as ours are."""
    return "404 Not Found", json.dumps({"error": "Not Found", "status": 404}).encode()


def raises(environ: Any) -> tuple[str, bytes]:
    raise RuntimeError("a fault of the application")


def hangs(environ: Any) -> tuple[str, bytes]:
    if next(_number) == 40:
        time.sleep(60)
    return good(environ)


def stores_less(environ: Any) -> tuple[str, bytes]:
    if environ["REQUEST_METHOD"] != "PUT":
        return good(environ)
    size = max(0, int(environ.get("CONTENT_LENGTH") or 0) - 1)
    return "201 Created", json.dumps({"size": size, "sha256": "0" * 64}).encode()


def mumbles(environ: Any) -> tuple[str, bytes]:
    return "404 Not Found", b"<h1>nginx/1.0</h1>"


def leaks_descriptors(environ: Any) -> tuple[str, bytes]:
    _kept.append(os.open(os.devnull, os.O_RDONLY))
    return good(environ)


def leaks_memory(environ: Any) -> tuple[str, bytes]:
    _kept.append(os.urandom(1 << 19))
    return good(environ)


def dies(environ: Any) -> tuple[str, bytes]:
    if next(_number) == 60:
        os._exit(1)
    return good(environ)


FAULTS = (
    *(good, raises, hangs, stores_less, mumbles),
    *(leaks_descriptors, leaks_memory, dies),
)


def application(fault: Callable[[Any], tuple[str, bytes]]) -> Any:
    """The WSGI application that has this fault."""

    def answer(environ: Any, start_response: Any) -> list[bytes]:
        status, body = fault(environ)
        kind = "text/xml" if fault is mumbles else "application/json"
        start_response(status, [("Content-Type", kind), ("Content-Length", str(len(body)))])
        return [body]

    return answer


def main() -> None:
    fault = next(each for each in FAULTS if each.__name__ == sys.argv[1])
    logging.basicConfig(format="%(levelname)s %(name)s %(message)s")
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)
    server: Any = waitress.create_server(application(fault), host="127.0.0.1", port=0, ident=None)
    print(server.effective_port, flush=True)
    server.run()


if __name__ == "__main__":
    main()
