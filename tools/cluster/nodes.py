"""What the nodes are told: one ini file for each."""

import secrets
from pathlib import Path

from tools.cluster.layout import CHECKOUT, ENDPOINTS, NODES, Layout

INI = """\
# Written by tools/cluster at every start.
[app:main]
use = egg:librarian
librarian.site = {checkout}/configure.zcml
librarian.database_uri = {layout.tree}
# Everything shares one machine here, which can keep a database waiting.
librarian.database_patience = 5s
librarian.byte_store = s3://librarian/files?endpoint={layout.store_url}&folder={folder}/s3
librarian.byte_cache = {folder}/cache
librarian.byte_cache_size = 1073741824
{listening}

# What nginx shows.
librarian.download_url = {layout.urls[public]}
librarian.secure_download_url = http://localhost:{layout.ports[public]}/
librarian.upload_url = {layout.urls[upload]}
librarian.restricted_download_url = {layout.urls[restricted]}
librarian.restricted_upload_url = {layout.urls[restricted-upload]}
librarian.trusted_proxies = 127.0.0.1
librarian.accel_redirect = /+bytes/
librarian.accel_secret = {secret}
librarian.people.failed_logins = {layout.folder}/failed-logins
librarian.audit_log = {folder}/audit.log
# One of the nodes has the periodic tasks.
librarian.periodic_tasks = {periodic}

[server:main]
use = egg:librarian#endpoints
threads = 4
workers = {layout.workers}

[loggers]
keys = root
[handlers]
keys = console
[formatters]
keys = plain
[logger_root]
level = INFO
handlers = console
[handler_console]
class = StreamHandler
args = (sys.stderr,)
formatter = plain
[formatter_plain]
format = %(asctime)s %(levelname)s %(name)s %(message)s
"""


def write_ini(layout: Layout, node: str) -> Path:
    """Write that of a node, and return its path."""
    folder = layout.new_folder(node)
    (folder / "s3").mkdir(exist_ok=True)
    listening = (
        f"librarian.endpoint.{name}.listen = 127.0.0.1:{layout.ports[f'{node}/{name}']}" for name in ENDPOINTS
    )
    text = INI.format(
        checkout=CHECKOUT,
        layout=layout,
        folder=folder,
        listening="\n".join(listening),
        secret=front_secret(layout),
        periodic="true" if node == NODES[0] else "false",
    )
    path = folder / "librarian.ini"
    path.touch(0o600)
    path.write_text(text)
    return path


def front_secret(layout: Layout) -> str:
    """What proves to the nodes that nginx asks."""
    path = layout.folder / "front-secret"
    if not path.exists():
        path.touch(0o600)
        path.write_text(secrets.token_hex(32))
    return path.read_text()
