"""Caddy, split by its ``header`` load-balancing policy (it has no percentage by hash)."""

from __future__ import annotations

from bench.proxies.setup import IDLE_SECONDS, Command, Setup

CONFIG = """\
{{
    admin off
    auto_https off
    log {{
        level ERROR
    }}
    servers {{
        timeouts {{
            idle {idle}s
        }}
    }}
}}
{url} {{
    bind 127.0.0.1
    {tls}
    header X-Request-ID {{http.request.uuid}}
{routes}
}}
"""
ROUTE = """\
    reverse_proxy {prefix}* 127.0.0.1:{baseline} 127.0.0.1:{candidate} {{
        lb_policy header X-User-ID
        header_up X-Request-ID {{http.request.uuid}}
        transport http {{
            keepalive {idle}s
            keepalive_idle_conns_per_host {pool}
        }}
    }}"""


def caddy(setup: Setup) -> Command:
    """One Go processor (``GOMAXPROCS=1``)."""
    text = CONFIG.format(
        idle=IDLE_SECONDS,
        url=setup.url,
        tls=f"tls {setup.certificate} {setup.certificate}" if setup.case.tls else "",
        routes="\n".join(_route(setup, prefix) for prefix in setup.prefixes),
    )
    return ["caddy", "run", "--adapter", "caddyfile", "--config", setup.write("Caddyfile", text)]


def _route(setup: Setup, prefix: str) -> str:
    return ROUTE.format(
        prefix=prefix, idle=IDLE_SECONDS, pool=setup.pool, baseline=setup.baseline_port, candidate=setup.candidate_port
    )
