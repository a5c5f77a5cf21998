/** All rollouts at a glance: a row for each. */

import { sayFleet, toneOfRole } from "../lib/fleet.js";
import { ms, number, perSecond, percent, plural, rate } from "../lib/format.js";
import { useLive } from "../lib/live.js";
import { html, useMemo, useState } from "../lib/preact.js";
import { link } from "../lib/route.js";
import { kindOf, stateOf, sumWaits, toneOfKind } from "../lib/words.js";
import { Badge, Card, CodeBlock, Empty, Lasting, Loading, Pair, State, Time } from "../parts/basics.js";
import { PercentBar } from "../parts/percent_bar.js";
import { HoldLeft } from "../parts/hold.js";
import { Table } from "../parts/table.js";

const EXAMPLE = `rollouts:
  checkout:
    key: [header:X-User-ID, client_ip]
    stages:
      - {percent: 5,  hold: 1h}
      - {percent: 50, hold: 4h}
      - {percent: 100}
routes:
  - {name: orders, match: /api/orders/**, baseline: legacy, candidate: new, rollout: checkout}`;

/** Those that want a person come first when it is sorted by state. */
const URGENCY = ["rolled_back", "waiting", "paused", "running", "pending", "completed"];

const COLUMNS = [
  { key: "name", title: "Rollout", isHead: true, by: (row) => row.name, cell: drawName },
  { key: "state", title: "State", by: (row) => URGENCY.indexOf(row.state), cell: drawState },
  { key: "percent", title: "Share", isNumber: true, by: (row) => row.percent, cell: drawShare },
  { key: "stage", title: "Stage", by: (row) => row.stage && row.stage.index / row.stage.of, cell: drawStage },
  { key: "errors", title: "Error rate", isNumber: true, by: (row) => row.candidate.error_rate, cell: drawErrors },
  { key: "p99", title: "p99", isNumber: true, by: (row) => row.candidate.p99, cell: drawLatency },
  { key: "rate", title: "Requests", isNumber: true, isSpare: true, by: (row) => row.candidate.per_second + row.baseline.per_second, cell: drawRequests },
  { key: "drift", title: "Drift", isNumber: true, by: (row) => row.mismatch_rate, cell: drawDrift },
  { key: "event", title: "Last event", by: (row) => row.last_event && -row.last_event.id, cell: drawEvent },
];

function drawName(row) {
  return html`<a class="name" href=${link("rollouts", row.name)}>${row.name}</a>
    ${row.mode !== "live" && html`<span class="tag" title="Nobody is answered by the candidate in this mode">mode ${row.mode}</span>`}
    <span class="sub clip" title=${row.routes.join(", ")}>${row.routes.length === 1 ? `route ${row.routes[0]}` : plural(row.routes.length, "route")}</span>`;
}

function drawState(row) {
  return html`<${State} name=${row.state} />${row.to_shadow && html`<span class="sub">still copied</span>`}
    ${row.read === false && html`<span class="sub">not read from the store yet</span>`}
    ${row.cooldown_until && html`<span class="sub">cooldown over <${Time} at=${row.cooldown_until} /></span>`}`;
}

function drawShare(row) {
  const isHalted = row.state === "rolled_back" || row.state === "paused" || row.mode !== "live";
  return html`<span class="share"><span class="figure">${percent(row.percent)}</span>
    <${PercentBar} percent=${row.percent} stages=${row.stages} isHalted=${isHalted} label=${`Share of ${row.name}`} /></span>
    ${row.source === "operator" && html`<span class="sub">set by an operator</span>`}
    ${row.source === "switch" && html`<span class="sub">held by a switch</span>`}`;
}

function drawStage(row) {
  if (!row.stage) return html`<span class="sub">${row.stages.length ? `${plural(row.stages.length, "stage")} planned` : "fixed share"}</span>`;
  const { index, of, since } = row.stage;
  return html`<span class="figure">${index} of ${of}</span>, for <${Lasting} since=${since} />
    <${HoldLeft} stage=${row.stage} at=${row.receivedAt} isRunning=${row.state === "running"}>${(left) => drawWaits(row.stage, left)}<//>`;
}

function drawWaits(stage, left) {
  return stage.waits_for.length ? html`<span class="sub">waits for ${sumWaits(stage.waits_for, left)}</span>` : null;
}

function drawErrors(row) {
  const isWorse = row.candidate.error_rate > (row.baseline.error_rate ?? 0) + 0.01;
  return html`<${Pair} candidate=${rate(row.candidate.error_rate)} baseline=${rate(row.baseline.error_rate)} isWorse=${isWorse} />`;
}

function drawLatency(row) {
  const isWorse = row.baseline.p99 !== null && row.candidate.p99 > 2 * row.baseline.p99 && row.candidate.p99 - row.baseline.p99 > 10;
  return html`<${Pair} candidate=${ms(row.candidate.p99)} baseline=${ms(row.baseline.p99)} isWorse=${isWorse} />`;
}

function drawRequests(row) {
  return html`<${Pair} candidate=${perSecond(row.candidate.per_second)} baseline=${perSecond(row.baseline.per_second)} />`;
}

function drawDrift(row) {
  if (!row.compared) return html`<span class="sub">not compared</span>`;
  const to = row.routes.length === 1 ? link("differences", row.routes[0]) : link("rollouts", row.name);
  return html`<a href=${to} title=${`${number(row.compared)} answers compared in the last minute`}>${rate(row.mismatch_rate)}</a>
    <span class="sub">of ${number(row.compared)}</span>`;
}

function drawEvent(row) {
  const event = row.last_event;
  if (!event) return html`<span class="sub">none</span>`;
  return html`<span class="event tone-text-${toneOfKind(event.kind)}">${kindOf(event.kind)}, <${Time} at=${event.time} /></span>
    <span class="sub clip-2" title=${event.reason}>${event.reason}</span>`;
}

/** The view. */
export function View() {
  const rows = useLive((known) => known.rows);
  const [wanted, setWanted] = useState({ text: "", state: "" });
  const shown = useMemo(() => (rows ?? []).filter((row) => isWanted(row, wanted)), [rows, wanted]);
  return html`
    <div class="head"><h1 tabindex="-1">Overview</h1><${Gateway} /></div>
    ${rows === null ? html`<${Card}><${Loading} lines=${8} label="Loading the rollouts" /><//>`
      : rows.length === 0 ? html`<${NoRollouts} />`
        : html`<${Filter} rows=${rows} wanted=${wanted} onChange=${setWanted} />
          <${Card} className="flush"><${Table} caption="Rollouts, with figures of the last minute" columns=${COLUMNS} rows=${shown} keyOf=${(row) => row.name} narrow="stack" />
            ${shown.length === 0 && html`<${Empty} title="No rollout is like that" />`}<//>
          <p class="legend">Of two figures the upper is the <span class="arm arm-candidate">candidate</span>'s, the lower the <span class="arm arm-baseline">baseline</span>'s, over the last minute. Drift is the share of compared answers that differ.</p>`}`;
}

function isWanted(row, { text, state }) {
  const isNamed = [row.name, ...row.routes].some((name) => name.toLowerCase().includes(text.toLowerCase()));
  return isNamed && (!state || row.state === state);
}

/** How many rollouts are in each state, by which they can be chosen, and a box that finds one by name. */
function Filter({ rows, wanted, onChange }) {
  const counts = URGENCY.map((state) => [state, rows.filter((row) => row.state === state).length]).filter(([, count]) => count);
  return html`<div class="filter">
    <div class="chips" role="group" aria-label="Show only rollouts that are">
      <${Chip} isOn=${!wanted.state} onClick=${() => onChange({ ...wanted, state: "" })}>All <b>${number(rows.length)}</b><//>
      ${counts.map(([state, count]) => html`<${Chip} key=${state} isOn=${wanted.state === state} onClick=${() => onChange({ ...wanted, state })}>
        ${stateOf(state).word} <b>${number(count)}</b><//>`)}
    </div>
    ${rows.length > 5 && html`<input class="find" type="search" placeholder="Find a rollout or route" aria-label="Find a rollout or route"
      value=${wanted.text} onInput=${(event) => onChange({ ...wanted, text: event.target.value })} />`}
  </div>`;
}

function Chip({ isOn, onClick, children }) {
  return html`<button type="button" class="chip" aria-pressed=${isOn} onClick=${onClick}>${children}</button>`;
}

/** How the gateway itself is: whatever is well, in one line; what is not, each by its name. */
function Gateway() {
  const status = useLive((known) => known.status);
  if (!status) return null;
  const endpoints = status.backends.flatMap((backend) => backend.endpoints.map((each) => ({ ...each, backend: backend.name })));
  const ill = endpoints.filter((each) => each.healthy === false);
  return html`<div class="vitals">
    <${Badge} tone=${status.ready ? "ok" : "attention"}>${plural(status.workers.length, "worker")} ${status.ready ? "ready" : "not all ready"}<//>
    <${Badge} tone=${ill.length ? "broken" : "ok"}>${ill.length ? `${ill.length} of ${plural(endpoints.length, "endpoint")} unhealthy` : `${plural(endpoints.length, "endpoint")} in use`}<//>
    ${!status.store.ok && html`<${Badge} tone="broken">the store can't be used<//>`}
    ${status.fleet && html`<${Fleet} fleet=${status.fleet} />`}
    ${ill.map((each) => html`<span class="sub" key=${each.url}>${each.backend}: ${each.url}</span>`)}
  </div>`;
}

function Fleet({ fleet }) {
  return html`<${Badge} tone=${toneOfRole(fleet.role)}><a href=${link("fleet")}>${sayFleet(fleet)}</a><//>
    ${fleet.revisions.length > 1 && html`<${Badge} tone="attention">${fleet.revisions.length} configurations in force<//>`}`;
}

function NoRollouts() {
  return html`<${Card}><${Empty} title="No rollouts yet">
    <p>A rollout moves users from a baseline to a candidate, step by step. Write one into the configuration; it appears here as soon as the file is saved:</p>
    <${CodeBlock} text=${EXAMPLE} label="A rollout, as an example" />
  <//><//>`;
}
