"""The service behind every proxy: one nginx that answers from memory, on a port for each arm."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bench.cases import GIB, MIB
from bench.processes import Process, free_port, running

ANSWER = (
    '{"id": 7, "state": "shipped", "items": [{"sku": "A-1", "count": 2}, {"sku": "B-9", "count": 1}], "total": 42.5}'
)

# No two of these are alike: each has its time and an ID. The large one is 64 KiB.
STAMP = '"at": $msec, "answer": "$request_id"'
STAMPED = f'{{{STAMP}, "order": {ANSWER}}}'
ORDERS = ", ".join(["$order"] * 24)
LARGE = f'{{{STAMP}, "pages": [{", ".join(["[$orders]"] * 24)}]}}'

# A POST is passed on to a second server inside: a bare `return` would answer before the body has arrived, and a proxy
# that sees an early answer closes its connection, which is another question than the one asked here.
CONFIG = """\
daemon off; worker_processes 1; pid {folder}/upstream.pid; error_log stderr error; worker_rlimit_nofile 65536;
events {{ worker_connections 16384; }}
http {{
    access_log off; sendfile on; tcp_nodelay on; default_type application/json;
    keepalive_requests 1000000000; keepalive_timeout 3600s; client_max_body_size 0; client_body_buffer_size 256k;
    client_body_temp_path {folder}/up-body; proxy_temp_path {folder}/up-proxy; fastcgi_temp_path {folder}/up-fcgi;
    uwsgi_temp_path {folder}/up-uwsgi; scgi_temp_path {folder}/up-scgi;
    upstream answer {{ server unix:{folder}/answer.sock; keepalive 128; keepalive_requests 1000000000; }}
    server {{ listen unix:{folder}/answer.sock; location / {{ return 200 '{answer}'; }} }}
    server {{
        listen 127.0.0.1:{baseline} backlog=4096; listen 127.0.0.1:{candidate} backlog=4096;
        location / {{ return 200 '{answer}'; }}
        location /stamped/ {{ return 200 '{stamped}'; }}
        location /large/ {{ set $order '{answer}'; set $orders '{orders}'; return 200 '{large}'; }}
        location /files/ {{ root {folder}; default_type application/octet-stream; }}
        location /post {{
            proxy_pass http://answer; proxy_http_version 1.1; proxy_pass_request_body off;
            proxy_set_header Connection ""; proxy_set_header Content-Length "";
        }}
    }}
}}
"""


@dataclass(frozen=True, slots=True)
class Upstream:
    """Where the two arms' services listen."""

    process: Process
    baseline_port: int
    candidate_port: int


@contextlib.contextmanager
def serving(folder: Path) -> Iterator[Upstream]:
    """Run the upstream in ``folder``."""
    baseline, candidate = free_port(), free_port()
    _write_files(folder / "files")
    config = folder / "upstream.conf"
    answers = {"answer": ANSWER, "stamped": STAMPED, "orders": ORDERS, "large": LARGE}
    config.write_text(CONFIG.format(folder=folder, baseline=baseline, candidate=candidate, **answers))
    command = ["nginx", "-c", str(config), "-p", str(folder)]
    with running("upstream", command, folder, f"http://127.0.0.1:{candidate}/") as process:
        yield Upstream(process, baseline, candidate)


def _write_files(folder: Path) -> None:
    """Sparse files: a gibibyte to send that takes no room."""
    folder.mkdir()
    folder.chmod(0o755)
    for name, size in (("1mib", MIB), ("1gib", GIB)):
        with (folder / name).open("wb") as file:
            file.truncate(size)
