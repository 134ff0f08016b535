"""A process that has imported the library and forks a child for each program it is given.

Run as a script, with the descriptor of a UNIX socket (SOCK_SEQPACKET) as its argument.  An order is one
message, a JSON object with `code`, `arguments`, `folder` and `environ`, and four descriptors: the child's
standard input, output and error, and a pipe on which its pid is told, and its exit status after its end.
It ends when the other end of the socket is closed.
"""

import gc
import importlib
import json
import os
import pkgutil
import signal
import socket
import sys
import threading
import time
import types
from typing import Any

import librarian

#: What a site's ZCML or a database URI names, and no module of the library imports.
NAMED = (
    *("ZEO.StorageServer", "pyramid_jinja2", "pyramid_retry", "pyramid_tm", "pyramid_zcml"),
    *("relstorage.adapters.postgresql", "psycopg2"),
)
LONGEST_ORDER = 1 << 20  # bytes


def main() -> None:
    """Fork what is asked for; returns in no process but the children, after their program."""
    preload()
    with socket.socket(fileno=int(sys.argv[1])) as orders:
        order = next_order(orders)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    sys.argv = ["-c", *order["arguments"]]
    if order["folder"]:
        os.chdir(order["folder"])
    os.environ.clear()
    os.environ.update(order["environ"])
    time.tzset()
    program = sys.modules["__main__"] = types.ModuleType("__main__")
    exec(compile(order["code"], "<string>", "exec"), program.__dict__)  # noqa: S102 # as `python -c` does


def preload() -> None:
    """Import all modules.  A thread would not be there in the children: none may have begun."""
    for name in NAMED:
        importlib.import_module(name)
    for module in pkgutil.walk_packages(librarian.__path__, "librarian."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    assert threading.active_count() == 1, threading.enumerate()
    gc.collect()
    gc.freeze()  # the children share these objects as long as they do not touch them


def next_order(orders: socket.socket) -> dict[str, Any]:
    """In a child: what it is to do, with its descriptors in place.  The process that forks stays here."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        message, descriptors, _flags, _address = socket.recv_fds(orders, LONGEST_ORDER, 4)
        if not message:
            sys.exit()
        if os.fork() == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            *standard, report = descriptors
            keep_account(standard, report)
            for number, descriptor in enumerate(standard):
                os.dup2(descriptor, number)
                os.close(descriptor)
            os.close(report)
            order: dict[str, Any] = json.loads(message)
            return order
        for descriptor in descriptors:
            os.close(descriptor)


def keep_account(standard: list[int], report: int) -> None:
    """Fork the child, and tell of its beginning and its end; returns in the child."""
    pid = os.fork()
    if pid == 0:
        return
    for descriptor in standard:
        os.close(descriptor)
    os.write(report, f"{pid}\n".encode())
    _pid, status = os.waitpid(pid, 0)
    os.write(report, f"{os.waitstatus_to_exitcode(status)}\n".encode())
    os._exit(0)


if __name__ == "__main__":
    main()
