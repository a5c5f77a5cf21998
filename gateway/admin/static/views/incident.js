/** One rollback as a page: what fired, on which paths, with which numbers, and what led there. It can be printed. */

import { getText } from "../lib/api.js";
import { saveFile } from "../lib/download.js";
import { explainKind, sayKind, takeSides } from "../lib/findings.js";
import { fullTime, percent } from "../lib/format.js";
import { listValues, partSamples, sayFailure, sayIncident, sayKeptAway, sayPaths, sayWho } from "../lib/incident.js";
import { useFetched } from "../lib/live.js";
import { html, useEffect, useState } from "../lib/preact.js";
import { link } from "../lib/route.js";
import { kindOf, toneOfKind } from "../lib/words.js";
import { Arm, Badge, Card, Empty, Failure, Loading, Shape, Time } from "../parts/basics.js";
import { Contrast } from "../parts/contrast.js";
import { Paths } from "../parts/paths.js";
import { Scroller, Table } from "../parts/table.js";

const MARKDOWN = "text/markdown";
const SAID_MS = 4000;

/** The view; `params.id` is the incident's. */
export function View({ params: { id } }) {
  const found = useFetched(`/incidents/${encodeURIComponent(id)}`);
  const incident = found.value;
  if (!incident) return html`<${Nothing} id=${id} found=${found} />`;
  const { failed, differed } = partSamples(incident.samples);
  return html`<article class="incident">
    <${Crumbs} />
    <div class="head"><h1 tabindex="-1">${incident.rollout} was rolled back</h1><${Actions} id=${id} /></div>
    <${Facts} incident=${incident} />
    <${Cause} incident=${incident} />
    <${Card} title=${sayPaths(incident.window_s)} id="paths" className="flush" aside=${html`<span class="legend">upper figure <${Arm} name="candidate" />, lower <${Arm} name="baseline" /></span>`}>
      ${incident.paths.length ? html`<${Paths} rows=${incident.paths} />` : html`<${Empty} title="No figures" />`}<//>
    <${Card} title="Samples of failed requests" id="failed" className="flush">
      ${failed.length ? html`<${Table} caption="Samples of failed requests" columns=${FAILED} rows=${failed} keyOf=${(sample) => sample.request_id} narrow="stack" />` : html`<${Empty} title="None were kept" />`}<//>
    ${differed.length > 0 && html`<${Card} title="Samples of answers that differed" id="differed"><${Differed} samples=${differed} /><//>`}
    <${Card} title="What led there" id="timeline"><${Story} incident=${incident} /><//>
    <${Card} title="Next steps" id="steps"><${Steps} incident=${incident} /><//>
  </article>`;
}

function Crumbs() {
  return html`<div class="crumbs"><a href=${link("incidents")}>Incidents</a> / Incident</div>`;
}

function Nothing({ id, found }) {
  return html`<${Crumbs} /><h1 tabindex="-1">Incident</h1><${Card}>${found.problem?.status === 404
    ? html`<${Empty} title="There is no such incident"><p><code>${id}</code> is not among the records that are kept.</p><a href=${link("incidents")}>To the incidents</a><//>`
    : found.problem ? html`<${Failure} problem=${found.problem} onRetry=${found.reload} />` : html`<${Loading} lines=${8} />`}<//>`;
}

/** What can be done with the record. */
function Actions({ id }) {
  const [said, say] = useState({ text: "", problem: null });
  useEffect(() => {
    const timer = setTimeout(() => say((old) => ({ ...old, text: "" })), SAID_MS);
    return () => clearTimeout(timer);
  }, [said.text]);
  const attempt = (promise, text) => promise.then(() => say({ text, problem: null }), (problem) => say({ text: "", problem }));
  const read = () => getText(`/incidents/${encodeURIComponent(id)}`, MARKDOWN);
  const copy = () => attempt(read().then((text) => navigator.clipboard.writeText(text)), "Copied as Markdown.");
  const save = () => attempt(read().then((text) => saveFile(text, `${id}.md`, MARKDOWN)), "Saved as Markdown.");
  const share = () => attempt(navigator.clipboard.writeText(location.href), "The link is copied.");
  return html`<div class="actions" role="group" aria-label="What you can do">
    ${navigator.clipboard && html`<button type="button" class="button" onClick=${share}>Copy link</button>
      <button type="button" class="button" onClick=${copy}>Copy as Markdown</button>`}
    <button type="button" class="button" onClick=${save}>Download</button>
    <button type="button" class="button" onClick=${() => window.print()}>Print</button>
    ${said.problem && html`<p class="fault" role="alert">${said.problem.message}</p>`}
    <div role="status">${said.text && html`<p class="said">${said.text}</p>`}</div>
  </div>`;
}

function Facts({ incident }) {
  return html`<${Card}><p class="sentence">${sayIncident(incident)}</p>
    <dl class="facts">
      <${Fact} name="Time"><time datetime=${incident.time}>${fullTime(incident.time)}</time><//>
      <${Fact} name="Rollout"><a href=${link("rollouts", incident.rollout)}>${incident.rollout}</a><//>
      <${Fact} name="Share before">${percent(incident.percent_before)}<//>
      <${Fact} name="Stage">${incident.stage ?? "none: a fixed share"}<//>
      <${Fact} name="Incident"><code>${incident.id}</code><//>
    </dl><//>`;
}

function Fact({ name, children }) {
  return html`<div><dt>${name}</dt><dd>${children}</dd></div>`;
}

function Cause({ incident: { rule, values, paths } }) {
  if (!rule) return html`<${Card} title="Why" id="cause"><p class="sentence">${values.reason || "No reason was given."}</p><//>`;
  const where = [values.route, values.path].filter(Boolean).join(" ");
  const keptAway = sayKeptAway(paths);
  return html`<${Card} title="What fired" id="cause">
    <p class="fired"><${Badge} tone="broken">broken<//> <code>${rule}</code>${where && html` on <code>${where}</code>`}</p>
    <${Scroller} label="The numbers it rests on"><table class="table values"><caption class="unseen">The numbers it rests on</caption>
      <thead><tr><td></td><th scope="col" class="is-number"><${Arm} name="candidate" /></th><th scope="col" class="is-number">bound</th><th scope="col" class="is-number"><${Arm} name="baseline" /></th></tr></thead>
      <tbody>${listValues(values, rule).map(([name, ...cells]) => html`<tr key=${name}><th scope="row">${name}</th>${cells.map((cell, at) => html`<td key=${at} class="is-number">${cell}</td>`)}</tr>`)}</tbody></table><//>
    ${keptAway && html`<p class="sub">${keptAway}</p>`}<//>`;
}

const FAILED = [
  { key: "id", title: "Request ID", isHead: true, cell: (sample) => html`<code>${sample.request_id}</code>` },
  { key: "time", title: "Time", by: (sample) => sample.time, cell: (sample) => html`<${Time} at=${sample.time} exact=${true} />` },
  { key: "path", title: "Path", by: (sample) => sample.path, cell: (sample) => html`<span class="rule-when">${sample.method} ${sample.path}</span><span class="sub">route ${sample.route}</span>` },
  { key: "status", title: "User got", isNumber: true, by: (sample) => sample.status, cell: (sample) => sample.status || "none" },
  { key: "kind", title: "How it failed", by: (sample) => sample.kind, cell: sayFailure },
];

function Differed({ samples }) {
  return html`<ol class="differed">${samples.map((sample, at) => html`<li key=${at}>
    <p><code>${sample.field}</code> <span class="tag" title=${explainKind(sample.kind)}>${sayKind(sample.kind)}</span>
      <span class="sub"><span class="rule-when">${sample.path}</span>, request <code>${sample.request_id}</code>, <${Time} at=${sample.time} exact=${true} /></span></p>
    <${Contrast} ...${takeSides(sample.kind, sample)} /></li>`)}</ol>`;
}

/** The events before it, and the rollback itself. */
function Story({ incident }) {
  return html`<ol class="timeline story">${incident.events.map((event) => html`<li key=${event.id} class="tone-${toneOfKind(event.kind)}">
      <${Shape} tone=${toneOfKind(event.kind)} /><div><strong>${kindOf(event.kind)}</strong>${sayMove(event)}
        <p>${event.reason}</p><span class="sub">by ${event.actor.type} ${event.actor.name}</span></div>
      <${Time} at=${event.time} exact=${true} /></li>`)}
    <li class="tone-broken"><${Shape} tone="broken" /><div><strong>rolled back</strong> <span class="soft">${percent(incident.percent_before)} → 0 %</span>
        ${!incident.rule && incident.values.reason && html`<p>${incident.values.reason}</p>`}<span class="sub">${sayWho(incident)}</span></div><${Time} at=${incident.time} exact=${true} /></li></ol>`;
}

function sayMove({ from, to }) {
  return from && to && from.percent !== to.percent ? html` <span class="soft">${percent(from.percent)} → ${percent(to.percent)}</span>` : null;
}

function Steps({ incident: { rollout, has_journal: hasJournal } }) {
  return html`<ul class="steps-list">
    <li>Look the samples' IDs up in the candidate's logs: they arrived there as <code>X-Request-ID</code>.</li>
    <li>Compare the worst paths with the others: one path points at a change there, all of them at what they share.</li>
    <li>Replay one failing request against the candidate by <code>X-Crossfade-Arm: candidate</code>, where <code>server.override</code> allows.</li>
    ${hasJournal && html`<li>Bring the baseline the writes that only the candidate took: <code>crossfade reconcile ${rollout}</code>; in a fleet, on each gateway that the <a href=${link("fleet")}>fleet</a> names.</li>`}
    <li>When the cause is mended: <a href=${link("rollouts", rollout)}>resume ${rollout}</a>, or <code>crossfade resume ${rollout}</code>, after its cooldown or with <code>--force</code>.</li>
  </ul>`;
}
