/** What each path does on both arms, those first on which the candidate does most harm. */

import { ms, number, perSecond, rate } from "../lib/format.js";
import { html, useMemo } from "../lib/preact.js";
import { link } from "../lib/route.js";
import { Empty, Pair } from "./basics.js";
import { Table } from "./table.js";

const NOWHERE = { requests: 0, per_second: 0, errors: 0, error_rate: null, p50: null, p95: null, p99: null, kept_away: 0 };

const COLUMNS = [
  { key: "path", title: "Path", isHead: true, by: (row) => row.path, cell: drawPath },
  { key: "requests", title: "Requests", isNumber: true, by: (row) => arm(row).requests + row.baseline.requests, cell: (row) => pair(row, "per_second", perSecond) },
  { key: "errors", title: "Error rate", isNumber: true, by: (row) => arm(row).error_rate, cell: (row) => pair(row, "error_rate", rate, excessErrors(row) >= 1) },
  { key: "p50", title: "p50", isNumber: true, by: (row) => arm(row).p50, cell: (row) => pair(row, "p50", ms) },
  { key: "p95", title: "p95", isNumber: true, by: (row) => arm(row).p95, cell: (row) => pair(row, "p95", ms) },
  { key: "p99", title: "p99", isNumber: true, by: (row) => arm(row).p99, cell: (row) => pair(row, "p99", ms, slowness(row) > 2) },
  { key: "compared", title: "Compared", isNumber: true, by: (row) => row.compared, cell: (row) => number(row.compared) },
  { key: "drift", title: "Mismatches", isNumber: true, by: (row) => row.mismatch_rate, cell: drawDrift },
];

function arm(row) {
  return row.candidate ?? NOWHERE;
}

function pair(row, figure, say, isWorse = false) {
  return html`<${Pair} candidate=${say(arm(row)[figure])} baseline=${say(row.baseline[figure])} isWorse=${isWorse} />`;
}

function drawPath(row) {
  return html`<span class="rule-when">${row.path}</span><span class="sub">route ${row.route}</span>`;
}

function drawDrift(row) {
  if (!row.compared) return html`<span class="soft">not compared</span>`;
  return html`<a href=${link("differences", row.route, { path: row.path })}>${rate(row.mismatch_rate)}</a>`;
}

/** How many more requests the candidate failed than it would have at the baseline's error rate. */
export function excessErrors(row) {
  const { requests, errors, kept_away: keptAway } = arm(row);
  return errors + keptAway - (row.baseline.error_rate ?? 0) * (requests + keptAway);
}

/** The candidate's p99 over the baseline's; 0 where one is not known. */
export function slowness(row) {
  const { p99 } = arm(row);
  return p99 !== null && row.baseline.p99 ? p99 / row.baseline.p99 : 0;
}

/** The worst first: by failures, then by differences, then by slowness. */
export function orderWorst(rows) {
  const drift = (row) => (row.mismatch_rate ?? 0) * row.compared;
  return [...rows].sort((a, b) => Math.max(0, excessErrors(b)) - Math.max(0, excessErrors(a)) || drift(b) - drift(a) || slowness(b) - slowness(a));
}

/** The table. */
export function Paths({ rows }) {
  const ordered = useMemo(() => orderWorst(rows), [rows]);
  if (!rows.length) return html`<${Empty} title="No requests yet"><p>A path appears here with its first request, or as soon as the configuration names it.</p><//>`;
  return html`<${Table} caption="Paths, the worst first" columns=${COLUMNS} rows=${ordered} keyOf=${(row) => `${row.route} ${row.path}`} />`;
}
