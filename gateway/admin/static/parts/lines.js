/** A text with the numbers of its lines, and with problems at the lines that they belong to. */

import { groupByLine, splitLines } from "../lib/lines.js";
import { number, plural } from "../lib/format.js";
import { html, useEffect, useMemo, useRef, useState } from "../lib/preact.js";
import { Shape } from "./basics.js";

/** More are drawn when they are wanted: a file may have tens of thousands. */
const MOST = 2000;
/** Of a long text the browser lays out only those chunks that are seen. */
const CHUNK = 100;
const LONG = 500;

/** `problems` are `{line, column, path, message}`; `place` is what to scroll to: `{line}`, another object each time. */
export function Lines({ text, problems = [], tone = "broken", place, label }) {
  const [isWhole, setWhole] = useState(false);
  const box = useRef(null);
  const lines = useMemo(() => splitLines(text), [text]);
  const byLine = useMemo(() => groupByLine(problems), [problems]);
  const most = isWhole ? lines.length : Math.max(MOST, ...byLine.keys());
  useEffect(() => { if (place) scrollTo(box.current, place.line); }, [place]);
  const chunks = Array.from({ length: Math.ceil(Math.min(most, lines.length) / CHUNK) }, (_, at) => at * CHUNK);
  return html`<div class="lines ${lines.length > LONG ? "is-long" : ""}" ref=${box} tabindex="0" role="region" aria-label=${label} style=${{ "--digits": String(lines.length).length }}>
    ${chunks.map((start) => html`<div class="lines-chunk" key=${start}>${lines.slice(start, Math.min(most, start + CHUNK)).map((line, at) => html`
      <${Line} key=${at} at=${start + at + 1} text=${line} problems=${byLine.get(start + at + 1)} tone=${tone} />`)}</div>`)}
    ${lines.length > most && html`<div class="more"><button type="button" class="button small" onClick=${() => setWhole(true)}>Show all ${number(lines.length)} lines</button></div>`}
  </div>`;
}

function Line({ at, text, problems, tone }) {
  const indent = text.length - text.trimStart().length;
  return html`<div class="line ${problems ? `is-marked tone-${tone}` : ""}" data-line=${at}><span class="line-number">${at}</span><code>${text.slice(0, indent)}<span>${text.slice(indent)}</span></code></div>
    ${problems?.map((problem) => html`<div class="line-problem tone-${tone}" key=${problem.column + problem.message} style=${{ "--column": Math.max(0, problem.column - 1) }}>
      <${Shape} tone=${tone} /><span>${problem.message}</span></div>`)}`;
}

function scrollTo(box, line) {
  const found = box.querySelector(`[data-line="${Number(line)}"]`);
  if (!found) return;
  box.scrollTop = found.offsetTop - box.clientHeight / 3;
  box.focus({ preventScroll: true });
  box.scrollIntoView({ block: "nearest" });
}

/** Problems as a list; each with a line is a way to it: `onGo(problem)`. */
export function Problems({ problems, tone = "broken", onGo }) {
  return html`<ul class="problems">${problems.map((problem, at) => html`<li key=${at} class="tone-${tone}"><${Shape} tone=${tone} />
    <div>${problem.line > 0 ? html`<button type="button" class="go" onClick=${() => onGo(problem)}>line ${problem.line}, column ${problem.column}</button>` : html`<span class="soft">the whole text</span>`}
      ${problem.path && html` <code>${problem.path}</code>`}<p>${problem.message}</p></div></li>`)}</ul>`;
}

/** `2 problems`. */
export function sayProblems(problems, word = "problem") {
  return plural(problems.length, word);
}
