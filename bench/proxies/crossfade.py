"""Crossfade with one worker: master, worker and controller are all counted."""

from __future__ import annotations

import sys

import yaml

from bench.proxies.setup import IDLE_SECONDS, Command, Setup


def crossfade(setup: Setup) -> Command:
    """Everything as it is by default, but for the access log, which no proxy here writes."""
    path = setup.write("gateway.yaml", yaml.safe_dump(configuration(setup), sort_keys=False))
    return [sys.executable, "-m", "gateway", "run", "-c", path]


def configuration(setup: Setup) -> dict[str, object]:
    """The gateway's configuration, as the value that the YAML holds."""
    return {
        "version": 1,
        "server": _server(setup),
        "admin": {"listen": f"127.0.0.1:{setup.spare_port}"},
        "backends": {
            "legacy": f"http://127.0.0.1:{setup.baseline_port}",
            "new": f"http://127.0.0.1:{setup.candidate_port}",
        },
        "rollouts": {"shop": {"key": ["header:X-User-ID", "client_ip"], "percent": 50}},
        "routes": [_route(number, prefix) for number, prefix in enumerate(setup.prefixes)],
    }


def _server(setup: Setup) -> dict[str, object]:
    address = f"127.0.0.1:{setup.port}"
    tls = {"cert": str(setup.certificate), "key": str(setup.certificate)}
    return {
        "listen": {"address": address, "tls": tls} if setup.case.tls else address,
        "workers": 1,
        "access_log": "off",
        "limits": {"connections": setup.most_connections},
        "timeouts": {"idle": f"{IDLE_SECONDS}s"},
    }


def _route(number: int, prefix: str) -> dict[str, object]:
    return {
        "name": f"route-{number}",
        "match": f"{prefix}**",
        "baseline": "legacy",
        "candidate": "new",
        "rollout": "shop",
    }
