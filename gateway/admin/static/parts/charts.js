/** Both arms' latency and errors over time, with the bounds of the rules that are about them. */

import { Chart } from "../lib/chart.js";
import { metricOf, unitOf } from "../lib/format.js";
import { useFetched } from "../lib/live.js";
import { html, useMemo } from "../lib/preact.js";
import { kindOf } from "../lib/words.js";
import { Fetched } from "./basics.js";

const CHARTS = [["error_rate", "Error rate"], ["p99", "Latency, p99"], ["p95", "Latency, p95"], ["p50", "Latency, p50"]];

/** By window, how long a step is, and how often it is asked for again, in seconds. */
const STEPS = { "5m": "5s", "1h": "30s", "24h": "10m" };
const PACE = { "5m": 5, "1h": 15, "24h": 60 };

/** `where` is `{route}` or `{rollout}`. */
export function Charts({ where, window, rules, events }) {
  const marks = useMemo(() => listMarks(events), [events]);
  return html`<div class="charts">${CHARTS.map(([metric, title]) => html`
    <${Metric} key=${metric} metric=${metric} title=${title} where=${where} window=${window} rules=${rules} marks=${marks} />`)}</div>`;
}

function Metric({ metric, title, where, window, rules, marks }) {
  const found = useFetched("/series", { ...where, metric, window, step: STEPS[window] }, PACE[window]);
  const bounds = listBounds(rules, metric, where.route);
  return html`<div><${Fetched} from=${found} lines=${6}>
    ${(series) => html`<${Chart} title=${title} series=${series} bounds=${bounds} marks=${marks} />`}<//></div>`;
}

/** The bounds of a metric's rules as they are now; of a rule for one path or another route none. */
export function listBounds(rules, metric, route) {
  const about = rules.filter((rule) => metricOf(rule.when) === metric && unitOf(rule.when) !== "count" && rule.bound !== null);
  return about.filter((rule) => !rule.path && (!rule.route || rule.route === route))
    .map((rule) => ({ text: `${rule.kind} ${rule.when}`, value: rule.bound, isBroken: rule.verdict === "broken" }));
}

function listMarks(events) {
  const moves = events.filter((event) => event.from && event.to && (event.from.percent !== event.to.percent || event.from.state !== event.to.state));
  return moves.map((event) => ({ time: event.time, text: kindOf(event.kind) }));
}
