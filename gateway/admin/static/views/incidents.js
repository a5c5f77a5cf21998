/** The rollbacks that were recorded, the newest first. */

import { get } from "../lib/api.js";
import { percent, plural, rate } from "../lib/format.js";
import { useFetched, useLive } from "../lib/live.js";
import { html, useEffect, useMemo, useState } from "../lib/preact.js";
import { link } from "../lib/route.js";
import { Badge, Card, Empty, Failure, Fetched, Time } from "../parts/basics.js";
import { Table } from "../parts/table.js";

const AT_A_TIME = 100;

const COLUMNS = [
  { key: "time", title: "Time", isHead: true, by: (row) => row.time, cell: (row) => html`<a class="name" href=${link("incidents", row.id)}><${Time} at=${row.time} exact=${true} /></a><span class="sub"><${Time} at=${row.time} /></span>` },
  { key: "rollout", title: "Rollout", by: (row) => row.rollout, cell: (row) => html`<a class="word" href=${link("rollouts", row.rollout)}>${row.rollout}</a>` },
  { key: "cause", title: "Cause", by: (row) => row.rule ?? "", cell: drawCause },
  { key: "percent", title: "From", isNumber: true, by: (row) => row.percent_before, cell: (row) => html`${percent(row.percent_before)}<span class="sub">${row.stage === null ? "fixed share" : `stage ${row.stage}`}</span>` },
  { key: "worst", title: "Worst path", cell: drawWorst },
];

function drawCause(row) {
  if (row.rule) return html`<${Badge} tone="broken">guard<//> <span class="rule-when">${row.rule}</span>`;
  return html`<${Badge} tone="idle">by hand<//> <span class="clip-2">${row.values.by || "an operator"}${row.values.reason && `: ${row.values.reason}`}</span>`;
}

function drawWorst(row) {
  const worst = row.paths[0];
  if (!worst?.candidate) return html`<span class="soft">no figures</span>`;
  return html`<span class="rule-when">${worst.path}</span><span class="sub">error rate <span class="arm-candidate">candidate ${rate(worst.candidate.error_rate)}</span>, <span class="arm-baseline">baseline ${rate(worst.baseline.error_rate)}</span></span>`;
}

/** The view; `params.rollout` leaves one rollout's. */
export function View({ params: { rollout = "" } }) {
  const found = useFetched("/incidents", { rollout, limit: AT_A_TIME });
  const lastRollback = useLive((known) => known.events.findLast((event) => event.kind === "rollback")?.id ?? 0);
  useEffect(() => { if (found.value) found.reload(); }, [lastRollback]);
  return html`<div class="head"><h1 tabindex="-1">Incidents</h1></div>
    <p class="legend">Each rollback is recorded with what fired, both arms' figures, and samples.${rollout && html` Only those of <b>${rollout}</b>. <a href=${link("incidents")}>All rollouts</a>`}</p>
    <${Fetched} from=${found} lines=${6}>${(list) => html`<${List} list=${list} rollout=${rollout} key=${rollout} />`}<//>`;
}

function List({ list, rollout }) {
  const [older, setOlder] = useState({ items: [], next: undefined });
  const [problem, setProblem] = useState(null);
  const rows = useMemo(() => joinRows(list.items, older.items), [list, older]);
  const next = older.next === undefined ? list.next : older.next;
  const more = () => get("/incidents", { rollout, before: next, limit: AT_A_TIME })
    .then((page) => { setProblem(null); setOlder({ items: [...older.items, ...page.items], next: page.next }); }, setProblem);
  if (!rows.length) {
    return html`<${Card}><${Empty} title="No incidents"><p>Nothing has been rolled back${rollout && " here"}. When a guard is broken, or somebody rolls back, the record of it appears here.</p><//><//>`;
  }
  return html`<${Card} className="flush"><${Table} caption="Incidents, the newest first" columns=${COLUMNS} rows=${rows} keyOf=${(row) => row.id} narrow="stack" /><//>
    ${problem && html`<${Failure} problem=${problem} onRetry=${more} />`}
    <p class="legend">${plural(rows.length, "incident")}${next === null && ", which is all"}.</p>
    ${next !== null && html`<div class="more"><button type="button" class="button" onClick=${more}>Show older ones</button></div>`}`;
}

/** The newest page may have grown into what was read before. */
function joinRows(newest, older) {
  const ids = new Set(newest.map((row) => row.id));
  return [...newest, ...older.filter((row) => !ids.has(row.id))];
}
