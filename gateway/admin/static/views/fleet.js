/** The gateways on one store: who leads, which configurations are in force, who is silent or behind. */

import { countJournaled, isKnown, isSilent, listJournals, listSwitches, sayPart, toneOfRole } from "../lib/fleet.js";
import { DASH, coarse, number, plural } from "../lib/format.js";
import { useFetched } from "../lib/live.js";
import { html } from "../lib/preact.js";
import { Badge, Card, Fetched, Lasting } from "../parts/basics.js";
import { Table } from "../parts/table.js";

/** Gateways report once a second. */
const PACE_SECONDS = 2;

const COLUMNS = [
  { key: "replica", title: "Gateway", isHead: true, by: (row) => row.replica, cell: drawName },
  { key: "role", title: "Role", by: (row) => row.role, cell: (row) => html`<${Badge} tone=${toneOfRole(row.role)}>${row.role}<//>` },
  { key: "ready", title: "Workers", by: (row) => (isKnown(row) ? Number(row.ready) : null), cell: drawWorkers },
  { key: "version", title: "Version", by: (row) => row.version, cell: (row) => row.version },
  { key: "revision", title: "Revision", by: (row) => row.revision, cell: drawRevision },
  { key: "silent", title: "Heard of", by: (row) => row.silent_s, cell: drawSilence },
  { key: "behind", title: "Behind", isNumber: true, by: (row) => (isKnown(row) ? row.behind : null), cell: drawLag },
  { key: "journal", title: "Journal", isNumber: true, by: countJournaled, cell: (row) => plural(countJournaled(row), "write") },
  { key: "started", title: "Up for", by: (row) => row.started_at, cell: (row) => html`<${Lasting} since=${row.started_at} />` },
];

function drawName(row) {
  return html`<span class="name">${row.replica}</span> ${row.isOwn && html`<span class="tag">this one</span>`}
    <span class="sub clip" title=${row.admin}>${row.admin}</span>`;
}

function drawWorkers(row) {
  if (!isKnown(row)) return DASH;
  return html`<${Badge} tone=${row.ready ? "ok" : "attention"}>${number(row.workers)} ${row.ready ? "ready" : "not all ready"}<//>`;
}

function drawRevision(row) {
  if (!row.revision) return html`<span class="sub">none yet</span>`;
  return html`<code>${row.revision}</code>${row.isOther && html`<span class="sub">not the leader's</span>`}`;
}

function drawSilence(row) {
  if (row.silent_s === null) return html`<span class="sub">not known</span>`;
  return isSilent(row) ? html`<${Badge} tone="attention">silent for ${coarse(row.silent_s)}<//>` : "just now";
}

function drawLag(row) {
  if (!isKnown(row)) return DASH;
  return row.behind ? plural(row.behind, "move") : "no";
}

/** The view. */
export function View() {
  const found = useFetched("/fleet", {}, PACE_SECONDS);
  return html`<div class="head"><h1 tabindex="-1">Fleet</h1></div>
    <${Fetched} from=${found} lines=${8}>${(fleet) => html`<${Facts} fleet=${fleet} /><${Replicas} fleet=${fleet} />`}<//>`;
}

function Facts({ fleet }) {
  return html`<${Card}><dl class="facts is-first">
    <${Fact} name="Who leads">${fleet.role === "alone" ? "there is no fleet: this gateway is alone" : sayPart(fleet)}<//>
    <${Fact} name="This gateway"><code>${fleet.replica}</code><//>
    <${Fact} name="Store">${fleet.store.ok ? html`<${Badge} tone="ok">in use<//>` : html`<${Badge} tone="broken">can't be used<//>`} <code>${fleet.store.file}</code><//>
    ${fleet.fence > 0 && html`<${Fact} name="Lease">${number(fleet.fence)}<//>`}
    <${Fact} name="Configurations in force">${fleet.revisions.length > 1
      ? html`<${Badge} tone="attention">${fleet.revisions.length} differ<//> only the leader's file moves rollouts`
      : "the same everywhere"}<//>
    ${listSwitches(fleet.replicas).map((said) => html`<${Fact} key=${said} name="Emergency switch"><${Badge} tone="attention">in force<//> ${said}<//>`)}
    ${listJournals(fleet.replicas).map(({ said, command }) => html`<${Fact} key=${said} name="Journal"><${Badge} tone="attention">to reconcile<//> ${said} <code>${command}</code><//>`)}
  </dl><//>`;
}

function Fact({ name, children }) {
  return html`<div><dt>${name}</dt><dd>${children}</dd></div>`;
}

function Replicas({ fleet }) {
  const leading = fleet.replicas.find((each) => each.replica === fleet.leader)?.revision;
  const rows = fleet.replicas.map((each) => ({
    ...each, isOwn: each.replica === fleet.replica, isOther: Boolean(leading) && each.revision !== leading,
  }));
  const columns = COLUMNS.filter(({ key }) => key !== "journal" || rows.some(countJournaled));
  return html`<${Card} className="flush"><${Table} caption="Gateways of the fleet" columns=${columns} rows=${rows} keyOf=${(row) => row.replica} narrow="stack" /><//>
    ${fleet.degraded && html`<p class="legend">Others are shown as they were last heard of.</p>`}`;
}
