/** The small parts that every view is made of. */

import { ago, clock, coarse, fullTime } from "../lib/format.js";
import { html, useEffect, useRef, useState } from "../lib/preact.js";
import { stateOf } from "../lib/words.js";

const SHAPES = {
  ok: "M3.5 8.5l3 3 6-7",
  going: "M5 3.5l7 4.5-7 4.5z",
  attention: "M8 3.5v5.5M8 11.6v.4",
  broken: "M4 4l8 8M12 4l-8 8",
  unknown: "M5.8 6a2.2 2.2 0 114 1.3c-.9.7-1.8 1-1.8 2.2M8 12v.3",
  idle: "M4.5 8h7",
};

/** A shape that goes with a tone, for those who do not see its colour. It says nothing that the words beside don't. */
export function Shape({ tone }) {
  return html`<svg class="shape" viewBox="0 0 16 16" aria-hidden="true"><path d=${SHAPES[tone] ?? SHAPES.idle} /></svg>`;
}

/** A word with the colour and the shape of its `tone`: ok, going, attention, broken, unknown, idle. */
export function Badge({ tone = "idle", title, children }) {
  return html`<span class="badge tone-${tone}" title=${title}><${Shape} tone=${tone} />${children}</span>`;
}

/** A rollout's state. */
export function State({ name }) {
  const { word, tone, says } = stateOf(name);
  return html`<${Badge} tone=${tone} title=${says}>${word}<//>`;
}

/** A rule's verdict: ok, broken or unknown. */
export function Verdict({ name }) {
  return html`<${Badge} tone=${name}>${name}<//>`;
}

/** Who is told every so many seconds: one timer for all, however many rows there are. */
const clocks = new Map();

function tick(seconds, listener) {
  const listeners = clocks.get(seconds) ?? new Set();
  if (!clocks.has(seconds)) setInterval(() => { for (const each of [...listeners]) each(); }, seconds * 1000);
  clocks.set(seconds, listeners.add(listener));
  return () => listeners.delete(listener);
}

/** What `say(now)` says (`now` in ms since the epoch), looked at every `seconds`; drawn again only when it is another. */
export function useTicking(say, seconds = 5) {
  const [, redraw] = useState(null);
  const last = useRef({});
  last.current = { say, said: say(Date.now()) };
  useEffect(() => tick(seconds, () => {
    if (last.current.say(Date.now()) !== last.current.said) redraw({});
  }), [seconds]);
  return last.current.said;
}

/** A time (RFC 3339), as `3 min ago` or, with `exact`, on the viewer's clock; in full when pointed at. */
export function Time({ at, exact = false }) {
  const text = useTicking((now) => at && (exact ? clock(at, now) : ago(at, now)));
  return at && html`<time datetime=${at} title=${fullTime(at)}>${text}</time>`;
}

/** How long ago that was, in one unit: `10 min`. */
export function Lasting({ since }) {
  const text = useTicking((now) => coarse((now - Date.parse(since)) / 1000));
  return html`<time datetime=${since} title=${`since ${fullTime(since)}`}>${text}</time>`;
}

/** The name of an arm, always in its colour. */
export function Arm({ name }) {
  return html`<span class="arm arm-${name}">${name}</span>`;
}

/** Both arms' figures, one above the other: the candidate's first. Each is a text, or null for what is unknown. */
export function Pair({ candidate, baseline, isWorse = false }) {
  return html`<span class="pair">
    <span class="arm-candidate ${isWorse ? "is-worse" : ""}"><span class="unseen">candidate </span>${candidate}</span>
    <span class="arm-baseline"><span class="unseen">baseline </span>${baseline}</span>
  </span>`;
}

/** A box with a heading. `aside` stands at the heading's right. */
export function Card({ title, aside, children, className = "", id }) {
  return html`<section class="card ${className}" aria-labelledby=${title && id ? id : undefined}>
    ${title && html`<header class="card-head"><h2 id=${id}>${title}</h2>${aside && html`<div class="card-aside">${aside}</div>`}</header>`}
    ${children}
  </section>`;
}

/** Nothing is there, and why, or what to do about it. */
export function Empty({ title, children }) {
  return html`<div class="empty"><p class="empty-title">${title}</p>${children && html`<div class="empty-text">${children}</div>`}</div>`;
}

/** Something is on its way. */
export function Loading({ lines = 3, label = "Loading" }) {
  return html`<div class="loading" role="status" aria-label=${label}>
    ${Array.from({ length: lines }, (_, index) => html`<span class="loading-line" key=${index}></span>`)}
  </div>`;
}

/** What went wrong, and a button that tries again. */
export function Failure({ problem, onRetry }) {
  return html`<div class="failure" role="alert">
    <p class="failure-title"><${Shape} tone="broken" />${problem.title || "It did not work"}</p>
    <p>${problem.detail || problem.message}</p>
    ${onRetry && html`<button type="button" class="button" onClick=${onRetry}>Try again</button>`}
  </div>`;
}

/** What `useFetched` has: its value drawn by `children`, or that it is loading, or that it failed. */
export function Fetched({ from, lines, children }) {
  if (from.value !== null) {
    return html`${from.problem && html`<${Failure} problem=${from.problem} onRetry=${from.reload} />`}${children(from.value)}`;
  }
  if (from.problem) return html`<${Failure} problem=${from.problem} onRetry=${from.reload} />`;
  return html`<${Loading} lines=${lines} />`;
}

/** A text as it is, with a button that copies it. */
export function CodeBlock({ text, label = "Text" }) {
  const [isCopied, setCopied] = useState(false);
  const copy = () => navigator.clipboard.writeText(text).then(() => setCopied(true), () => setCopied(false));
  useEffect(() => {
    const timer = setTimeout(() => setCopied(false), 2000);
    return () => clearTimeout(timer);
  }, [isCopied]);
  return html`<div class="code">
    <pre tabindex="0" aria-label=${label}>${text}</pre>
    ${navigator.clipboard && html`<button type="button" class="button small" onClick=${copy}>${isCopied ? "Copied" : "Copy"}</button>`}
  </div>`;
}

/** Some choices, of which one holds: `options` are `[value, text]`. */
export function Choice({ label, options, value, onChange }) {
  return html`<div class="choice" role="group" aria-label=${label}>
    ${options.map(([each, text]) => html`
      <button type="button" key=${each} aria-pressed=${each === value} onClick=${() => onChange(each)}>${text}</button>`)}
  </div>`;
}
