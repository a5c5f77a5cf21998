"""The reference page of the metrics, ``docs/metrics.md``, made from the catalogue.

``python -m gateway.telemetry.reference --write`` makes it, ``--check`` fails when it is not what would be made.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from gateway.core.figures import DURATION_BOUNDS
from gateway.telemetry.catalogue import CATALOGUE, LABELS, Metric

PAGE: Final = "docs/metrics.md"

PREAMBLE: Final = """\
# Metrics

<!-- Made by `python -m gateway.telemetry.reference --write`: edit gateway/telemetry/catalogue.py instead. -->

[Dashboards for Grafana and alerts for Prometheus](../deploy/README.md) are made of them.

`GET /metrics` on `admin.listen` shows them to Prometheus, as text or, where the client prefers it, as OpenMetrics with
the traces of single requests as exemplars. It asks for the token that the API asks for, unless `admin.metrics` is
`open`:

```yaml
scrape_configs:
  - job_name: crossfade
    authorization: {credentials_file: crossfade-admin-token}
    static_configs: [{targets: ["127.0.0.1:9900"]}]
```

The figures are of the whole gateway, all its workers together, and about a quarter of a second old. A worker or the
controller that dies takes nothing back; only what a killed worker had counted in its last quarter of a second is lost.
All of it starts at 0 when the gateway does.

What the configuration names starts at 0: its routes, their `paths` and arms, its rollouts and backends. Other paths,
and combinations of backend, method and code, appear when they are first seen.
"""

QUERIES: Final = {
    "The share of each route's requests that takes the candidate": """\
sum by (route) (rate(crossfade_requests_total{arm="candidate"}[5m]))
/ sum by (route) (rate(crossfade_requests_total{route!=""}[5m]))""",
    "Error rate by route and arm, the candidate beside the baseline": """\
sum by (route, arm) (rate(crossfade_backend_errors_total[5m]))
/ sum by (route, arm) (rate(crossfade_requests_total{route!=""}[5m]))""",
    "The latency that 95 % of a route's requests on an arm do not exceed, in seconds": """\
histogram_quantile(0.95, sum by (route, arm, le) (rate(crossfade_backend_duration_seconds_bucket[5m])))""",
    "Requests kept away from a candidate that has no healthy endpoint": """\
sum by (route) (rate(crossfade_decisions_total{reason="unhealthy"}[5m]))""",
    "Alert: over 1 % of a route's compared answers differ in something that counts": """\
sum by (route) (rate(crossfade_shadow_total{result="mismatch"}[5m]))
/ sum by (route) (rate(crossfade_shadow_total{result=~"match|mismatch|noise"}[5m])) > 0.01""",
    "Alert: copies are left out, or failed; of a path that takes writes one of the two services lacks some": """\
sum by (route, path, result, reason) (increase(crossfade_shadow_total{result=~"error|skipped"}[10m])) > 0""",
    "Alert: a journal is nearly full; then the baseline gets the writes, or they are not kept": """\
crossfade_journal_bytes / crossfade_journal_limit_bytes > 0.8""",
    "Alert: a rollout was rolled back in the last ten minutes": """\
sum by (rollout, rule) (increase(crossfade_rollbacks_total[10m])) > 0""",
    "Alert: the file on disk is not in force": """\
crossfade_config_last_reload_successful == 0""",
    "Alert: workers are missing, or behind with the configuration": """\
sum(crossfade_workers{state=~"missing|lagging"}) > 0""",
    "Alert: gateways of a fleet have different configurations in force": """\
max by (job) (crossfade_fleet_revisions) > 1""",
    "Alert: a gateway's store can't be used": """\
crossfade_store_up == 0""",
}
"""What people want to know, and how to ask."""


def render_page() -> str:
    """The page, in Markdown."""
    sections = [_render_group(title, metrics) for title, metrics in CATALOGUE.items()]
    return "\n".join([PREAMBLE, *sections, _render_bounds(), _render_labels(), _render_queries()])


def _render_group(title: str, metrics: Sequence[Metric]) -> str:
    rows = [f"| `{each.name}` | {each.kind} | {_render_names(each.labels)} | {each.meaning} |\n" for each in metrics]
    return f"## {title}\n\n| metric | type | labels | meaning |\n|---|---|---|---|\n" + "".join(rows)


def _render_names(labels: Sequence[str]) -> str:
    return ", ".join(f"`{label}`" for label in labels) or "none"


def _render_bounds() -> str:
    bounds = ", ".join(f"{bound:g}" for bound in DURATION_BOUNDS)
    return f"The histograms' buckets end at {bounds} seconds and +Inf.\n"


def _render_labels() -> str:
    rows = [f"| `{label}` | {meaning} |\n" for label, meaning in LABELS.items()]
    return "## Labels\n\n| label | value |\n|---|---|\n" + "".join(rows)


def _render_queries() -> str:
    return "## Queries\n\n" + "\n".join(f"{title}:\n\n```promql\n{query}\n```\n" for title, query in QUERIES.items())


def main(arguments: Sequence[str]) -> int:
    """Write or check the page below the current directory; the exit status."""
    page = Path(PAGE)
    if list(arguments) == ["--write"]:
        page.write_text(render_page())
        return 0
    if list(arguments) != ["--check"]:
        sys.stderr.write("--write or --check\n")
        return 2
    if page.exists() and page.read_text() == render_page():
        return 0
    sys.stderr.write(f"{PAGE} is not what the catalogue says: python -m gateway.telemetry.reference --write\n")
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
