"""The endpoints on a server: in this process, or in worker processes that this one starts."""

import logging
import os
import sys
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

from zope.component import getUtility

from librarian.app import declared_sections, ending_in_a_line, read_ini, settings_of
from librarian.interfaces import ISettings, LibrarianError, SettingsError, one_line
from librarian.serving.announcing import tell_endpoints, tell_first_admin
from librarian.serving.limits import limits_of
from librarian.serving.running import run_server
from librarian.serving.sockets import bind, bind_slots, require_free, set_addresses
from librarian.serving.workers.number import WORKERS, check_sharing, number_of_workers
from librarian.serving.workers.order import Order
from librarian.serving.workers.parent import Parent
from librarian.store.interfaces import IByteStore, StoreUnavailable
from librarian.tree.interfaces import ITree
from librarian.tree.service import share_tree
from librarian.web.endpoints import endpoint_addresses, stated_addresses

log = logging.getLogger(__name__)

LEFT_BEHIND = timedelta(days=1)  # longer than any upload takes

Announce = Callable[[dict[str, str]], None]


def serve(app: Any, ini: str, announce: Announce, overlay: str = "", **options: Any) -> None:
    """Serve every endpoint until SIGTERM or SIGINT, then finish what is running and close the tree.

    `announce` is called with the URL of each endpoint once connections are accepted.  `options` are
    the fields of `Limits` and ``workers``, as numbers or as text.  With more than one worker each is a
    process that makes the application anew from the file `ini`, with the ini text `overlay` over its
    settings; `app`, which has them already, does the periodic tasks.

    Signals: see `running` and `workers.parent`.  Raises SettingsError, CannotListen, WorkerFailed, and
    TreeUnavailable if another process serves the same database already.
    """
    tree = getUtility(ITree)
    try:
        number = number_of_workers(options.pop(WORKERS, 1))
        limits = limits_of(options)
        check_sharing(number)
        share_tree()
        clear_incoming()
        addresses = endpoint_addresses(getUtility(ISettings))
        if number == 1:
            sockets = bind(addresses)
            urls = set_addresses(app, sockets)
            run_server(app, sockets, limits, lambda server: announce(urls))
        else:
            slots = bind_slots(addresses, number)
            urls = set_addresses(app, slots[0])
            order = Order(ini=str(Path(ini).absolute()), overlay=overlay, options=options)
            Parent(order, slots, limits.grace_seconds).run(lambda: announce(urls))
    finally:
        tree.close()


def clear_incoming() -> None:
    """Remove the unfinished uploads of dead processes; younger ones may be another process's."""
    try:
        number = getUtility(IByteStore).clear_incoming(LEFT_BEHIND)
    except StoreUnavailable as error:  # what can be served is served all the same
        log.error("incoming not cleared error=%s", error)
        return
    log.info("incoming cleared files=%d", number)


def look_at_ports(global_config: Mapping[str, str]) -> None:
    """Raise CannotListen where an address of the ini file's application is taken."""
    try:
        values = read_ini(global_config["__file__"], global_config)
        addresses = stated_addresses(settings_of(values), declared_sections(values))
    except SettingsError:
        return  # the application's own start says it, or the application is another section of the file
    require_free(addresses)


def server_factory(global_config: Mapping[str, str], **options: str) -> Callable[[Any], None]:
    """The Paste server factory ``egg:librarian#endpoints``: pserve starts as ``librarian serve`` does.

    pserve makes the server before the application, which opens the tree: so the ports are looked at here.
    """
    with ending_in_a_line():
        look_at_ports(global_config)

    def run(app: Any) -> None:
        try:
            tell_first_admin()
            serve(app, global_config["__file__"], tell_endpoints, **options)
        except (LibrarianError, OSError) as error:
            # pserve prints a traceback of it, and takes SystemExit for a good end, with status 0.
            print(f"Error: {one_line(error)}", file=sys.stderr, flush=True)
            logging.shutdown()
            os._exit(1)

    return run
