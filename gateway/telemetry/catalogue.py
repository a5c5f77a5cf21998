"""Every metric that Crossfade exposes: its name, type, labels and meaning, written once.

The families (`gateway.telemetry.families`) and the reference page (`gateway.telemetry.reference`) are made from it.
Names follow Prometheus' conventions: base units, counters end in ``_total``.
"""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

Kind = Literal["counter", "gauge", "histogram", "info"]


class Metric(NamedTuple):
    """One metric."""

    name: str
    """As queries name it; of a histogram without ``_bucket``, ``_sum`` and ``_count``."""
    kind: Kind
    labels: tuple[str, ...]
    meaning: str
    """One or two sentences; what Prometheus shows as help."""


REQUESTS: Final = Metric(
    "crossfade_requests_total",
    "counter",
    ("route", "path", "arm", "backend", "method", "code"),
    "Requests answered, by what answered them. Code 499 stands for a client that left before it got an answer.",
)
REQUEST_DURATION: Final = Metric(
    "crossfade_request_duration_seconds",
    "histogram",
    ("route", "path", "arm"),
    "Whole requests: from the head to the last byte of the answer.",
)
BACKEND_DURATION: Final = Metric(
    "crossfade_backend_duration_seconds",
    "histogram",
    ("route", "arm"),
    "From the last byte of the request sent to the header of the backend's response, or to the time-out.",
)
BACKEND_ERRORS: Final = Metric(
    "crossfade_backend_errors_total",
    "counter",
    ("route", "path", "arm", "kind"),
    "Requests that the arm's own backend failed, whoever answered them in the end.",
)
FAILOVERS: Final = Metric(
    "crossfade_failovers_total",
    "counter",
    ("route", "reason"),
    "Requests that the candidate failed and that went to the baseline instead, by how it failed.",
)
DECISIONS: Final = Metric(
    "crossfade_decisions_total",
    "counter",
    ("route", "arm", "reason"),
    "Requests by the arm that was chosen for them and why.",
)

SHADOW: Final = Metric(
    "crossfade_shadow_total",
    "counter",
    ("route", "path", "result", "reason"),
    "Copies of requests to the arm that did not answer them, by what came of them.",
)

ROLLOUT_PERCENT: Final = Metric(
    "crossfade_rollout_percent", "gauge", ("rollout",), "The share of keys that takes the candidate now, 0 to 100."
)
ROLLOUT_STAGE: Final = Metric(
    "crossfade_rollout_stage", "gauge", ("rollout",), "The stage of the rollout's plan, from 1; 0 for a fixed share."
)
ROLLOUT_STATE: Final = Metric(
    "crossfade_rollout_state",
    "gauge",
    ("rollout", "state"),
    "1 for the state that the rollout is in, 0 for the others.",
)

RULE_VERDICT: Final = Metric(
    "crossfade_rule_verdict",
    "gauge",
    ("rollout", "rule"),
    "What a gate or a guard says now: 1 ok, 0 unknown, -1 broken.",
)
RULE_VALUE: Final = Metric(
    "crossfade_rule_value",
    "gauge",
    ("rollout", "rule"),
    "The candidate's value that a rule looks at, rates from 0 to 1, latencies in seconds; missing while it has none.",
)
RULE_BOUND: Final = Metric(
    "crossfade_rule_bound",
    "gauge",
    ("rollout", "rule"),
    "What a rule compares its value with, in the same unit, the baseline's part included.",
)
ROLLBACKS: Final = Metric(
    "crossfade_rollbacks_total",
    "counter",
    ("rollout", "rule"),
    "Rollbacks by the guard that was broken; of an operator's the rule is `operator`.",
)

CONFIG_RELOADS: Final = Metric(
    "crossfade_config_reloads_total", "counter", ("result",), "Configurations that were read, accepted or refused."
)
CONFIG_LAST_RELOAD: Final = Metric(
    "crossfade_config_last_reload_successful",
    "gauge",
    (),
    "1 when the file as it was last read is in force, 0 when it was refused.",
)
CONFIG_INFO: Final = Metric(
    "crossfade_config_info", "info", ("revision",), "1, with the revision of the configuration in force."
)

CONNECTIONS: Final = Metric("crossfade_connections", "gauge", ("side",), "Open connections of all workers.")
IN_FLIGHT: Final = Metric("crossfade_requests_in_flight", "gauge", (), "Requests under way in all workers.")
WORKERS: Final = Metric("crossfade_workers", "gauge", ("state",), "Worker processes by state.")
BACKEND_HEALTHY: Final = Metric(
    "crossfade_backend_healthy",
    "gauge",
    ("backend", "endpoint"),
    "1 for an endpoint that is used, 0 for one that failed its checks or is ejected.",
)
BUILD_INFO: Final = Metric("crossfade_build_info", "info", ("version",), "1, with the version of Crossfade.")
START_TIME: Final = Metric(
    "crossfade_start_time_seconds", "gauge", (), "When the gateway started and its counters with it, in Unix time."
)

FLEET_REPLICAS: Final = Metric(
    "crossfade_fleet_replicas",
    "gauge",
    ("state",),
    "Gateways of the fleet by state, as this one sees them; alone it is the only one.",
)
FLEET_REVISIONS: Final = Metric(
    "crossfade_fleet_revisions",
    "gauge",
    (),
    "Different configurations in force in the fleet's gateways, as this one sees them.",
)
FLEET_ROLE: Final = Metric(
    "crossfade_fleet_role", "gauge", ("role",), "1 for what this gateway does in the fleet, 0 for the others."
)
STORE_UP: Final = Metric("crossfade_store_up", "gauge", (), "1 while the store can be used, 0 while it can't.")

ACCESS_LOG_DROPPED: Final = Metric(
    "crossfade_access_log_dropped_total", "counter", (), "Lines of the access log lost because its reader was too slow."
)
LINK_DROPPED: Final = Metric(
    "crossfade_link_dropped_total", "counter", (), "Reports of workers lost because the controller was too slow."
)
SPANS_DROPPED: Final = Metric(
    "crossfade_spans_dropped_total", "counter", (), "Spans lost because the collector of traces was slow or away."
)
NOTICES_LOST: Final = Metric("crossfade_notices_lost_total", "counter", (), "Notices that never reached their target.")
JOURNAL_DROPPED: Final = Metric(
    "crossfade_journal_dropped_total",
    "counter",
    (),
    "Writes that only the candidate took and that the journal does not have: it was full, or its disk failed.",
)

JOURNAL_BYTES: Final = Metric(
    "crossfade_journal_bytes",
    "gauge",
    ("route",),
    "What the route's journal holds of writes that only the candidate took.",
)
JOURNAL_LIMIT: Final = Metric(
    "crossfade_journal_limit_bytes", "gauge", ("route",), "What the journal may hold: its `size`."
)

CATALOGUE: Final[dict[str, tuple[Metric, ...]]] = {
    "Requests": (REQUESTS, REQUEST_DURATION, BACKEND_DURATION, BACKEND_ERRORS, FAILOVERS, DECISIONS, SHADOW),
    "Rollouts": (
        ROLLOUT_PERCENT,
        ROLLOUT_STAGE,
        ROLLOUT_STATE,
        RULE_VERDICT,
        RULE_VALUE,
        RULE_BOUND,
        ROLLBACKS,
    ),
    "Configuration": (CONFIG_RELOADS, CONFIG_LAST_RELOAD, CONFIG_INFO),
    "Processes and backends": (CONNECTIONS, IN_FLIGHT, WORKERS, BACKEND_HEALTHY, BUILD_INFO, START_TIME),
    "The fleet and its store": (FLEET_REPLICAS, FLEET_REVISIONS, FLEET_ROLE, STORE_UP),
    "The journal": (JOURNAL_BYTES, JOURNAL_LIMIT),
    "Losses": (ACCESS_LOG_DROPPED, LINK_DROPPED, SPANS_DROPPED, NOTICES_LOST, JOURNAL_DROPPED),
}
"""All of them, by what they are about."""

_UNROUTED: Final = "; empty for requests that no route served"

LABELS: Final[dict[str, str]] = {
    "route": "the route's name" + _UNROUTED,
    "path": "a template, never a raw path: at most 100 per route, the rest is `{other}`" + _UNROUTED,
    "arm": "the decision's: `baseline` or `candidate`; `baseline` for a route without a rollout" + _UNROUTED,
    "backend": "the backend's name; of a request, the one that answered" + _UNROUTED,
    "method": "the request's",
    "code": "the status that the client got",
    "kind": "`connect`, `timeout`, `reset`, `protocol` or `5xx`",
    "reason": "of a decision `no_rollout`, `kill_switch`, `off`, `shadow`, `override`, `pending`, `rolled_back`, "
    "`unhealthy`, `breaker`, `cohort:<name>`, `missing_key`, `split` or `journal`; of a failover `connect`, `timeout`, "
    "`reset`, `protocol` or the status; of a copy that was skipped `body_size`, `concurrency`, `breaker`, `upgrade`, "
    "`client_gone` or `comparer_busy`, of one that failed how it did, else empty",
    "rollout": "the rollout's name",
    "rule": "the rule as the configuration has it, with what narrows it; a number behind it where several are alike",
    "state": "of a rollout `pending`, `running`, `waiting`, `paused`, `rolled_back` or `completed`; of a worker "
    "`ready`, `lagging` (it serves an older configuration), `draining` or `missing`; of a fleet's gateway `ready`, "
    "`not_ready` or `silent` (not heard of for more than 5 s; after a minute it is forgotten)",
    "role": "`alone` (there is no fleet), `leader` (it judges and moves rollouts for all), `follower` or `degraded` "
    "(it hears nothing of the store)",
    "result": "of a configuration `success` or `failure`; of a copy `match`, `mismatch`, `noise` (it differed in "
    "nothing but noise), `error` (a side failed) or `skipped`",
    "revision": "as `/api/v1/config` shows it",
    "side": "`client` or `backend`",
    "endpoint": "its URL, as the configuration has it",
    "version": "as `crossfade --version` shows it",
}
"""What the labels' values are, in Markdown."""
