/** Both arms' values side by side, with the parts marked that differ. */

import { ABSENT, contrast } from "../lib/contrast.js";
import { html, useMemo } from "../lib/preact.js";

const INDENT_EM = 1.1;

/** `baseline` and `candidate` are JSON values, or `ABSENT` where a side has nothing. */
export function Contrast({ baseline, candidate }) {
  const rows = useMemo(() => contrast(baseline, candidate), [baseline, candidate]);
  return html`<div class="contrast" role="table" aria-label="Both values, what differs marked" tabindex="0">
    <div role="row" class="contrast-head"><span role="columnheader" class="arm arm-baseline">baseline</span><span role="columnheader" class="arm arm-candidate">candidate</span></div>
    ${rows.map((row, at) => html`<div role="row" key=${at} class="contrast-row ${row.isSame ? "" : "is-other"}">
      <${Side} line=${row.left} sign=${row.isSame ? "" : "−"} isAbsent=${at === 0 && baseline === ABSENT} arm="baseline" />
      <${Side} line=${row.right} sign=${row.isSame ? "" : "+"} isAbsent=${at === 0 && candidate === ABSENT} arm="candidate" /></div>`)}
  </div>
  ${rows.every((row) => row.isSame) && html`<p class="sub">They differ in what a browser's numbers don't show, such as the last of more than 15 digits: the export has them as they are.</p>`}`;
}

function Side({ line, sign, isAbsent, arm }) {
  if (!line) return html`<div role="cell" class="side side-${arm} is-empty">${isAbsent && html`<span class="soft">not there</span>`}</div>`;
  return html`<div role="cell" class="side side-${arm}"><span class="sign" aria-hidden="true">${sign}</span>
    <code style=${{ paddingLeft: `${line.depth * INDENT_EM}em` }}><bdi>${line.before}${line.changed && html`<mark>${line.changed}</mark>`}${line.after}</bdi></code></div>`;
}
