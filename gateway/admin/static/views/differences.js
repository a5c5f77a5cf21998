/** What comparing both arms' answers has found on a route: fields by path, with samples; and a chooser of routes. */

import { del, getText, writeQuery } from "../lib/api.js";
import { saveFile } from "../lib/download.js";
import { listSkips, shareTotals, sumRoutes } from "../lib/findings.js";
import { number, plural, rate } from "../lib/format.js";
import { useFetched } from "../lib/live.js";
import { html, useMemo, useState } from "../lib/preact.js";
import { link } from "../lib/route.js";
import { Arm, Card, Empty, Failure, Fetched } from "../parts/basics.js";
import { Ask } from "../parts/ask.js";
import { Findings } from "../parts/findings.js";
import { Table } from "../parts/table.js";

const PACE_SECONDS = 10;
/** The routes' figures are of all paths: many. */
const ROUTES_SECONDS = 30;
const AT_A_TIME = 100;
const MOST = 1000;

/** The view: of one route, or with no `params.route` the chooser; `params.path` leaves one path. */
export function View({ params: { route, path } }) {
  return route ? html`<${OfRoute} route=${route} path=${path} key=${route} />` : html`<${Chooser} />`;
}

/* -------------------------------------------------------------------------------------------------- the chooser */

const COLUMNS = [
  { key: "route", title: "Route", isHead: true, by: (row) => row.route, cell: (row) => html`<a class="name" href=${link("differences", row.route)}>${row.route}</a>` },
  { key: "rollout", title: "Rollout", by: (row) => row.rollout, cell: (row) => html`<a href=${link("rollouts", row.rollout)}>${row.rollout}</a>` },
  { key: "compared", title: "Compared", isNumber: true, by: (row) => row.compared, cell: (row) => (row.compared ? number(row.compared) : html`<span class="soft">nothing</span>`) },
  { key: "rate", title: "Mismatches", isNumber: true, by: (row) => row.rate, cell: (row) => html`<span class=${row.rate ? "figure" : "soft"}>${rate(row.rate)}</span>` },
];

function Chooser() {
  const routes = useFetched("/routes");
  const paths = useFetched("/paths", { window: "1h" }, ROUTES_SECONDS);
  return html`<div class="head"><h1 tabindex="-1">Differences</h1></div>
    <p class="legend">With <code>shadow</code>, requests are copied to the <${Arm} name="candidate" />, and its answers held against those of the <${Arm} name="baseline" />. Choose a route to see the fields that differ.</p>
    <${Card} className="flush"><${Fetched} from=${routes} lines=${5}>${(list) => html`<${Routes} routes=${list.items.filter((each) => each.rollout)} paths=${paths} />`}<//><//>`;
}

function Routes({ routes, paths }) {
  const rows = useMemo(() => sumRoutes(routes, paths.value?.items ?? []), [routes, paths.value]);
  if (!routes.length) return html`<${Empty} title="No route has a candidate yet"><p>As soon as a route has a rollout and <code>shadow</code>, what both arms answer can be compared here.</p><//>`;
  return html`${paths.problem && html`<${Failure} problem=${paths.problem} onRetry=${paths.reload} />`}
    <${Table} caption="Routes, with what was compared in the last hour" columns=${COLUMNS} rows=${rows} keyOf=${(row) => row.route} sort=${{ key: "rate", isDown: true }} narrow="stack" />`;
}

/* ------------------------------------------------------------------------------------------------------ one route */

function OfRoute({ route, path }) {
  const [limit, setLimit] = useState(AT_A_TIME);
  const found = useFetched("/mismatches", { route, limit }, PACE_SECONDS);
  const isUnknown = found.problem?.status === 404;
  return html`<div class="crumbs"><a href=${link("differences")}>Differences</a> / Route</div>
    <div class="head"><h1 tabindex="-1">${route}</h1>${!isUnknown && html`<${Actions} route=${route} found=${found} />`}</div>
    ${isUnknown
      ? html`<${Card}><${Empty} title="There is no such route"><p>${found.problem.message}</p><a href=${link("differences")}>All routes</a><//><//>`
      : html`<${Fetched} from=${found} lines=${8}>${(list) => html`
        <${Totals} totals=${list.totals} />
        <${Found} list=${list} route=${route} path=${path} />
        ${list.next !== null && limit < MOST && html`<div class="more"><button type="button" class="button" onClick=${() => setLimit(limit + AT_A_TIME)}>Show more fields</button></div>`}`}<//>`}`;
}

function Actions({ route, found }) {
  const [isAsking, setAsking] = useState(false);
  const [problem, setProblem] = useState(null);
  const save = () => {
    setProblem(null);
    getText(`/mismatches${writeQuery({ route })}`, "application/x-ndjson")
      .then((text) => saveFile(text, `${route}-differences.ndjson`, "application/x-ndjson"), setProblem);
  };
  const clear = async (reason) => found.put(await del(`/mismatches${writeQuery({ route, reason })}`));
  return html`<div class="actions" role="group" aria-label="What you can do">
    <${Others} route=${route} />
    <button type="button" class="button" onClick=${save}>Export as NDJSON</button>
    <button type="button" class="button" onClick=${() => setAsking(true)}>Begin anew</button>
    ${problem && html`<p class="fault" role="alert">${problem.message}</p>`}
    ${isAsking && html`<${Ask} title=${`Begin anew: ${route}`} word="Begin anew" onDo=${clear} onClose=${() => setAsking(false)}>
      <p>Every field and sample that was found on this route is forgotten, and what was learnt of its noise: after a mend, or for a new candidate. What is counted goes on: metrics, and what gates and guards look at.</p><//>`}
  </div>`;
}

/** The way to the other routes. */
function Others({ route }) {
  const routes = useFetched("/routes");
  const names = (routes.value?.items ?? []).filter((each) => each.rollout).map((each) => each.name);
  if (names.length < 2) return null;
  const go = (event) => { location.hash = link("differences", event.target.value); };
  return html`<select class="select" aria-label="Route" value=${route} onChange=${go}>${names.map((name) => html`<option key=${name} value=${name}>${name}</option>`)}</select>`;
}

const TOTALS = {
  match: ["matched", "Alike in all that is compared"],
  noise: ["differed in noise only", "Two answers of the baseline differ so as often"],
  mismatch: ["mismatched", "Differed in what counts"],
  error: ["failed", "One side gave no answer to compare"],
  skipped: ["skipped", "Not copied, or not compared"],
};

/** What came of the copies. */
function Totals({ totals }) {
  const parts = shareTotals(totals);
  const isNone = parts.every((part) => !part.count);
  return html`<${Card} title="Copies since the gateway started" id="totals">
    ${isNone ? html`<p class="soft">None yet.</p>` : html`
    <div class="stack" aria-hidden="true">${parts.map((part) => html`<span key=${part.name} class="stack-${part.name}" style=${{ flexGrow: part.share }}></span>`)}</div>
    <dl class="facts totals">${parts.map((part) => html`<div key=${part.name} title=${TOTALS[part.name][1]}>
      <dt><span class="swatch stack-${part.name}" aria-hidden="true"></span>${TOTALS[part.name][0]}</dt><dd>${number(part.count)} <span class="soft">${rate(part.share)}</span></dd></div>`)}</dl>
    <${Skips} skipped=${totals.skipped} />`}
  <//>`;
}

function Skips({ skipped }) {
  const skips = listSkips(skipped);
  return skips.length ? html`<p class="sub skips">Skipped: ${skips.map(([reason, count]) => `${reason} ${number(count)}`).join(", ")}</p>` : null;
}

function Found({ list, route, path }) {
  const rows = path ? list.items.filter((row) => row.path === path) : list.items;
  const [counted, noise] = [rows.filter((row) => !row.noise), rows.filter((row) => row.noise)];
  return html`
    ${path && html`<p class="legend">Only <code>${path}</code>. <a href=${link("differences", route)}>All paths</a></p>`}
    <${Card} title="Fields that differ, the worst first" id="fields" className="flush">
      ${counted.length ? html`<${Findings} rows=${counted} caption="Fields that differ, the worst first" />` : html`<${NoFields} totals=${list.totals} />`}<//>
    ${noise.length > 0 && html`<${Card} title="Noise, which is not counted" id="noise" className="flush" aside=${html`<span class="legend">${plural(noise.length, "field")} in which two answers of the baseline differ as often</span>`}>
      <${Findings} rows=${noise} caption="Noise, which is not counted" /><//>`}`;
}

function NoFields({ totals: { match, mismatch, noise } }) {
  if (mismatch) return html`<${Empty} title="Nothing on record"><p>No field has differed since the record began anew, and what differed before is forgotten.</p><//>`;
  if (match + noise) return html`<${Empty} title="No field differs"><p>Whatever was compared here was alike in all that counts.</p><//>`;
  return html`<${Empty} title="Nothing has been compared yet"><p>Answers are compared where the route has <code>shadow</code> and requests come: for example <code>shadow: {percent: 10}</code>.</p><//>`;
}
