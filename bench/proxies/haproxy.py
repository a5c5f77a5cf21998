"""HAProxy, split with a hash converter (configuration manual, section 7.3.1)."""

from __future__ import annotations

from bench.proxies.setup import IDLE_SECONDS, Command, Setup

CONFIG = """\
global
    nbthread 1
    no strict-limits
    maxconn {most}
    tune.ssl.default-dh-param 2048
defaults
    mode http
    timeout connect 5s
    timeout client {idle}s
    timeout server {idle}s
    timeout http-keep-alive {idle}s
    option forwardfor
    http-reuse always
    maxconn {most}
frontend front
    bind 127.0.0.1:{port} {tls}
    http-request set-var(txn.route) path,map_beg({routes})
    http-request return status 404 unless {{ var(txn.route) -m found }}
    http-request set-header X-Request-ID %[uuid()] unless {{ req.hdr(X-Request-ID) -m found }}
    http-request set-var(txn.id) req.hdr(X-Request-ID)
    http-request set-header X-Forwarded-Proto {scheme}
    http-request set-header X-Forwarded-Host %[req.hdr(Host)]
    http-response set-header X-Request-ID %[var(txn.id)]
    http-request set-var(txn.bucket) req.hdr(X-User-ID),xxh32,mod(100)
    use_backend candidate if {{ var(txn.bucket) -m int lt 50 }}
    default_backend baseline
backend baseline
    server one 127.0.0.1:{baseline} pool-max-conn {pool}
backend candidate
    server one 127.0.0.1:{candidate} pool-max-conn {pool}
"""


def haproxy(setup: Setup) -> Command:
    """One thread, in the foreground (``-db``). The routes are a map file, its index for many prefixes."""
    text = CONFIG.format(
        idle=IDLE_SECONDS,
        pool=setup.pool,
        most=setup.most_connections,
        port=setup.port,
        baseline=setup.baseline_port,
        candidate=setup.candidate_port,
        tls=f"ssl crt {setup.certificate}" if setup.case.tls else "",
        scheme="https" if setup.case.tls else "http",
        routes=setup.write("routes.map", "".join(f"{prefix} {prefix}\n" for prefix in setup.prefixes)),
    )
    return ["haproxy", "-db", "-f", setup.write("haproxy.cfg", text)]
