"""The proxies of the comparison, each in its own file: how it is configured to do the same work.

All take a share of users by the hash of ``X-User-ID``, add the same forwarding headers, keep connections on both sides
alive, stream bodies, write no access log, and use one worker.
"""

from __future__ import annotations

from bench.proxies.caddy import caddy
from bench.proxies.crossfade import crossfade
from bench.proxies.envoy import envoy
from bench.proxies.haproxy import haproxy
from bench.proxies.nginx import nginx
from bench.proxies.plain_aiohttp import plain_aiohttp
from bench.proxies.setup import Command, Proxy, Setup

ALL = {
    proxy.name: proxy
    for proxy in (
        Proxy("crossfade", "gateway", crossfade),
        Proxy("nginx", "nginx", nginx),
        Proxy("haproxy", "haproxy", haproxy),
        Proxy("envoy", "envoy", envoy),
        Proxy("caddy", "caddy", caddy),
        Proxy("aiohttp", "aiohttp", plain_aiohttp, has_routes=False),
    )
}

__all__ = ["ALL", "Command", "Proxy", "Setup"]
