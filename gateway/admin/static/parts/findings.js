/** Fields that differ, path by path; each opens a sample of what both arms answered there. */

import { explainKind, groupByPath, isCut, keyOf, sayKind, takeSides } from "../lib/findings.js";
import { number, plural, rate } from "../lib/format.js";
import { html, useId, useState } from "../lib/preact.js";
import { Time } from "./basics.js";
import { Contrast } from "./contrast.js";

const COLUMNS = ["Field", "Differed", "Rate", "Baseline with itself", "First seen", "Last seen"];

/** `rows` as `/api/v1/mismatches` has them. */
export function Findings({ rows, caption }) {
  return html`<table class="table is-stack findings"><caption class="unseen">${caption}</caption>
    <thead><tr>${COLUMNS.map((title, at) => html`<th scope="col" key=${title} class=${at > 0 && at < 4 ? "is-number" : ""}>${title}</th>`)}</tr></thead>
    ${groupByPath(rows).map((group) => html`<tbody key=${group.key}>
      <tr class="group"><th scope="rowgroup" colspan=${COLUMNS.length}><code>${group.path}</code> <span class="soft">${plural(group.compared, "answer")} compared</span></th></tr>
      ${group.rows.map((row) => html`<${Finding} key=${keyOf(row)} row=${row} />`)}</tbody>`)}
  </table>`;
}

function Finding({ row }) {
  const [isOpen, setOpen] = useState(false);
  const id = useId();
  return html`
    <tr class=${isOpen ? "is-open" : ""}>
      <th scope="row"><button type="button" class="disclose" aria-expanded=${isOpen} aria-controls=${id} onClick=${() => setOpen(!isOpen)}>
        <span class="chevron" aria-hidden="true"></span><span><code>${row.field}</code> <span class="tag" title=${explainKind(row.kind)}>${sayKind(row.kind)}</span></span></button></th>
      <td class="is-number" data-label="Differed">${number(row.count)}${row.counted < row.count && !row.noise && html`<span class="sub" title="In the first minute of a path it waits until its noise is known">${number(row.counted)} judged and counted</span>`}</td>
      <td class="is-number" data-label="Rate"><${Rate} value=${row.rate} isNoise=${row.noise} /></td>
      <td class="is-number" data-label="Baseline with itself">${row.noise_rate === null ? html`<span class="soft" title="The baseline was never asked twice: shadow.compare.noise">not asked</span>` : rate(row.noise_rate)}</td>
      <td data-label="First seen">${row.first_seen ? html`<${Time} at=${row.first_seen} />` : html`<span class="soft">not yet</span>`}</td>
      <td data-label="Last seen">${row.last_seen ? html`<${Time} at=${row.last_seen} />` : html`<span class="soft">not yet</span>`}</td>
    </tr>
    ${isOpen && html`<tr class="opened" id=${id}><td colspan=${COLUMNS.length}><${Samples} row=${row} /></td></tr>`}`;
}

function Rate({ value, isNoise }) {
  return html`<span class="rate">${rate(value)}<span class="meter ${isNoise ? "is-noise" : ""}" aria-hidden="true"><span style=${{ width: `${Math.min(100, 100 * (value ?? 0))}%` }}></span></span></span>`;
}

/** What is looked at stays, though newer samples come. */
function Samples({ row }) {
  const [shown, setShown] = useState(row.samples[0]);
  if (!shown) return html`<p class="soft">No sample was kept: it differed between two answers of the baseline only.</p>`;
  const at = row.samples.findIndex((sample) => sample.request_id === shown.request_id);
  return html`<div class="samples">
    <p class="samples-head"><span>${explainKind(row.kind)} ${row.noise && "It is noise: two answers of the baseline differ so as often."}</span>
      <${Steps} samples=${row.samples} at=${at} onShow=${setShown} /></p>
    <${Contrast} ...${takeSides(row.kind, shown)} key=${shown.request_id} />
    ${isCut(shown) && html`<p class="sub">It was too long: only its beginning is kept.</p>`}
    <p class="sub">Request <code>${shown.request_id}</code>, <${Time} at=${shown.time} exact=${true} />.
      ${row.field.startsWith("$") && !row.noise && html` Not a fault? Add <code>${row.field}</code> to <code>ignore</code> of the route's <code>shadow.compare</code>.`}</p>
  </div>`;
}

function Steps({ samples, at, onShow }) {
  if (samples.length < 2) return null;
  const text = at < 0 ? `an older sample; ${samples.length} newer` : `sample ${at + 1} of ${samples.length}, the newest first`;
  return html`<span class="steps"><span class="soft">${text}</span>
    <button type="button" class="button small" disabled=${at <= 0} aria-label="Newer sample" onClick=${() => onShow(samples[at - 1])}>‹</button>
    <button type="button" class="button small" disabled=${at === samples.length - 1} aria-label="Older sample" onClick=${() => onShow(samples[at + 1])}>›</button></span>`;
}
