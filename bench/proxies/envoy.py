"""Envoy, split with weighted clusters and a hash policy (route.v3.WeightedCluster, ``use_hash_policy``)."""

from __future__ import annotations

import json

from bench.proxies.setup import IDLE_SECONDS, Command, Setup

TYPES = "type.googleapis.com/envoy.extensions"


def envoy(setup: Setup) -> Command:
    """One worker thread (``--concurrency 1``)."""
    path = setup.write("envoy.json", json.dumps(_bootstrap(setup)))
    return ["envoy", "-c", path, "--concurrency", "1", "--log-level", "error", "--disable-hot-restart"]


def _bootstrap(setup: Setup) -> dict[str, object]:
    clusters = [_cluster("baseline", setup.baseline_port), _cluster("candidate", setup.candidate_port)]
    return {"static_resources": {"listeners": [_listener(setup)], "clusters": clusters}}


def _cluster(name: str, port: int) -> dict[str, object]:
    limits = {"max_connections": 20_000, "max_pending_requests": 20_000, "max_requests": 20_000}
    return {
        "name": name,
        "type": "STATIC",
        "circuit_breakers": {"thresholds": [limits]},
        "load_assignment": {
            "cluster_name": name,
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": _address(port)}}]}],
        },
    }


def _listener(setup: Setup) -> dict[str, object]:
    chain: dict[str, object] = {
        "filters": [_typed("network.http_connection_manager.v3.HttpConnectionManager", _http(setup))]
    }
    if setup.case.tls:
        chain["transport_socket"] = _typed("transport_sockets.tls.v3.DownstreamTlsContext", _tls(setup))
    return {"name": "front", "address": _address(setup.port), "filter_chains": [chain]}


def _http(setup: Setup) -> dict[str, object]:
    return {
        "stat_prefix": "front",
        "generate_request_id": True,
        "always_set_request_id_in_response": True,
        "use_remote_address": True,
        "append_x_forwarded_port": False,
        "common_http_protocol_options": {"idle_timeout": f"{IDLE_SECONDS}s"},
        "http_filters": [_typed("filters.http.router.v3.Router", {})],
        "route_config": {
            "virtual_hosts": [{"name": "all", "domains": ["*"], "routes": list(map(_route, setup.prefixes))}]
        },
    }


def _route(prefix: str) -> dict[str, object]:
    weights = [{"name": "baseline", "weight": 50}, {"name": "candidate", "weight": 50}]
    return {
        "match": {"prefix": prefix},
        "route": {
            "timeout": "0s",
            "append_x_forwarded_host": True,
            "hash_policy": [{"header": {"header_name": "x-user-id"}}],
            "weighted_clusters": {"clusters": weights, "use_hash_policy": True},
        },
    }


def _tls(setup: Setup) -> dict[str, object]:
    file = {"filename": str(setup.certificate)}
    return {"common_tls_context": {"tls_certificates": [{"certificate_chain": file, "private_key": file}]}}


def _typed(kind: str, value: dict[str, object]) -> dict[str, object]:
    return {"name": kind, "typed_config": {"@type": f"{TYPES}.{_package(kind)}", **value}}


def _package(kind: str) -> str:
    """Where Envoy's API keeps it: network filters live under ``filters.network``."""
    return f"filters.{kind}" if kind.startswith("network.") else kind


def _address(port: int) -> dict[str, object]:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}
