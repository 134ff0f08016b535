"""What nginx is told.  The way of bytes from the store, and their cache, are as examples/ has them."""

import shutil
from pathlib import Path

from tools.cluster.layout import CHECKOUT, NODES, SHOWN, Layout
from tools.cluster.nodes import front_secret
from tools.cluster.storage import running_user

EXAMPLES = CHECKOUT / "examples"
DOWNLOADS = ("public", "restricted")  # the endpoints whose bytes nginx fetches itself

MAIN = """\
# Written by tools/cluster at every start.
daemon off;
{user}
worker_processes 2;
pid {folder}/pid;
error_log {folder}/error.log;
events {{ worker_connections 1024; }}
http {{
  access_log off;
  default_type application/octet-stream;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  include {folder}/store.conf;

  # Only where nginx fetches the bytes does it prove that it is nginx; an empty value sends no header.
  map $server_port $librarian_front_end {{
    default "";
{proofs}
  }}
  proxy_http_version 1.1;
  proxy_set_header Connection "";
  proxy_set_header Host $http_host;
  proxy_set_header X-Forwarded-For $remote_addr;
  proxy_set_header X-Forwarded-Proto $scheme;
  proxy_set_header Forwarded "";
  proxy_set_header X-Librarian-Front-End $librarian_front_end;

  # A node that refuses connections is left alone for a second.  What was not sent yet goes to the other node,
  # and so does what has no body and may be sent twice.  A body is passed on as it comes, and not sent again.
  proxy_connect_timeout 1s;
  proxy_next_upstream error timeout;
  proxy_next_upstream_tries 2;
  proxy_buffering off;
  proxy_request_buffering off;
  proxy_read_timeout 300s;
  proxy_send_timeout 300s;
  client_max_body_size 0;
{servers}
}}
"""
# Pieces of a resumable upload lie on the node that began it: all of a client's go to one.
SERVER = """
  upstream {name} {{
    {nodes}
    keepalive 16;
  }}
  upstream {name}-same {{
    hash $remote_addr consistent;
    {nodes}
  }}
  map $http_upload_complete $to_{key} {{
    ""      {name};
    default {name}-same;
  }}
  server {{
    listen 127.0.0.1:{port};
    {log}
    location / {{ proxy_pass http://$to_{key}; }}
    location /+uploads {{ proxy_pass http://{name}-same; }}
    {bytes}
    error_page 502 504 = @nodes-away;
    location @nodes-away {{
      internal;
      default_type text/plain;
      add_header Retry-After 1 always;
      add_header Cache-Control no-store always;
      return 503 "No node answers at present.\\n";
    }}
  }}
"""


def program() -> str | None:
    """Where nginx is, which may not be on the PATH of who is not root."""
    return shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")


def write_files(layout: Layout) -> Path:
    """Write the configuration, and return its path."""
    folder = layout.new_folder("nginx")
    for name, example in (("store", "http"), ("bytes", "location")):
        text = (EXAMPLES / f"nginx-object-store-{example}.conf").read_text(encoding="utf-8")
        text = text.replace("/var/cache/nginx/librarian", f"{folder}/cache")
        text = text.replace("{ server 127.0.0.1:8080;", f"{{ server 127.0.0.1:{layout.ports['proxy']};")
        text = text.replace("127.0.0.1:8080", layout.store_url.removeprefix("http://"))
        (folder / f"{name}.conf").write_text(text)
    secret = front_secret(layout)
    proofs = "\n".join(f'    {layout.ports[name]} "{secret}";' for name in DOWNLOADS)
    path = folder / "nginx.conf"
    path.touch(0o600)
    servers = "".join(_server(layout, folder, name) for name in SHOWN)
    user = f"user {running_user()};"
    path.write_text(MAIN.format(user=user, folder=folder, proofs=proofs, servers=servers))
    return path


def _server(layout: Layout, folder: Path, name: str) -> str:
    nodes = [
        f"server 127.0.0.1:{layout.ports[f'{node}/{name}']} max_fails=2 fail_timeout=1s;" for node in NODES
    ]
    is_download = name in DOWNLOADS
    return SERVER.format(
        name=name,
        key=name.replace("-", "_"),
        nodes="\n    ".join(nodes),
        port=layout.ports[name],
        log=f"access_log {folder}/access.log combined;" if is_download else "",
        bytes=f"include {folder}/bytes.conf;" if is_download else "",
    )
