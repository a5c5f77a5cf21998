/** A box that tries a draft of the configuration: what is wrong with it, or what it would move. Nothing is changed. */

import { postText } from "../lib/api.js";
import { findOffset } from "../lib/lines.js";
import { isSame, listChanges, listCounts, sayHeld, sayReshuffle, sayShift } from "../lib/movement.js";
import { number } from "../lib/format.js";
import { useLive } from "../lib/live.js";
import { html, useMemo, useRef, useState } from "../lib/preact.js";
import { Badge, Failure } from "./basics.js";
import { Problems, sayProblems } from "./lines.js";

const STRUCK = '"***"';

/** `inForce` is the text in force, to begin with. */
export function Draft({ inForce }) {
  const [text, setText] = useState("");
  const [answer, setAnswer] = useState({ of: "", value: null, problem: null });
  const [isAsking, setAsking] = useState(false);
  const box = useRef(null);
  const ask = async () => {
    setAsking(true);
    try {
      setAnswer({ of: text, value: await postText("/config/validate", text), problem: null });
    } catch (problem) {
      setAnswer({ of: text, value: null, problem });
    }
    setAsking(false);
  };
  const go = ({ line, column }) => goTo(box.current, text, line, column);
  return html`
    <div class="actions draft-actions"><button type="button" class="button small" onClick=${() => setText(inForce)}>Begin with the text in force</button>
      <label class="button small file">Open a file<input type="file" class="unseen" accept=".yaml,.yml,text/*" onChange=${(event) => event.target.files[0]?.text().then(setText)} /></label></div>
    <${Editor} text=${text} box=${box} onText=${setText} answer=${answer.of === text ? answer.value : null} />
    ${text.includes(STRUCK) && html`<p class="sub">Secrets of the text in force stand as <code>${STRUCK}</code>, which are tried as they stand.</p>`}
    <div class="form-end"><button type="button" class="button primary" disabled=${isAsking || !text.trim()} onClick=${ask}>${isAsking ? "Trying…" : "Validate"}</button></div>
    <div role="status">${answer.problem && html`<${Failure} problem=${answer.problem} onRetry=${ask} />`}
      ${answer.value && html`<${Answer} value=${answer.value} isOld=${answer.of !== text} onGo=${go} />`}</div>`;
}

/** Select the rest of the line from there, and show it. */
function goTo(box, text, line, column) {
  const start = findOffset(text, line, column);
  const end = text.indexOf("\n", start);
  box.focus();
  box.setSelectionRange(start, end < 0 ? text.length : end);
  const height = box.scrollHeight / Math.max(1, text.split("\n").length);
  box.scrollTop = Math.max(0, (line - 4) * height);
}

function Editor({ text, box, onText, answer }) {
  const numbers = useRef(null);
  const count = useMemo(() => text.split("\n").length, [text]);
  const marked = useMemo(() => new Map([...(answer?.warnings ?? []).map((each) => [each.line, "attention"]), ...(answer?.problems ?? []).map((each) => [each.line, "broken"])]), [answer]);
  const follow = () => { numbers.current.scrollTop = box.current.scrollTop; };
  return html`<div class="editor">
    <pre class="editor-numbers" ref=${numbers} aria-hidden="true">${Array.from({ length: count }, (_, at) => (marked.has(at + 1)
      ? html`<b class="tone-${marked.get(at + 1)}">${at + 1}</b>${"\n"}` : `${at + 1}\n`))}${"\n"}</pre>
    <textarea ref=${box} aria-label="Draft of the configuration" spellcheck=${false} autocomplete="off" autocapitalize="off" wrap="off" rows="14" placeholder="version: 1" value=${text} onInput=${(event) => onText(event.target.value)} onScroll=${follow}></textarea>
  </div>`;
}

function Answer({ value, isOld, onGo }) {
  return html`<div class="answer ${isOld ? "is-old" : ""}">
    <p>${value.ok ? html`<${Badge} tone="ok">valid<//>` : html`<${Badge} tone="broken">${sayProblems(value.problems)}<//>`}
      ${value.warnings.length > 0 && html` <${Badge} tone="attention">${sayProblems(value.warnings, "warning")}<//>`}
      ${isOld && html` <span class="soft">The draft has changed since.</span>`}</p>
    ${value.problems.length > 0 && html`<${Problems} problems=${value.problems} onGo=${onGo} />`}
    ${value.warnings.length > 0 && html`<${Problems} problems=${value.warnings} tone="attention" onGo=${onGo} />`}
    ${value.changes && html`<${Changes} changes=${value.changes} />`}
  </div>`;
}

/** What it would do if it were put in force now. */
function Changes({ changes }) {
  if (isSame(changes)) return html`<p>It does the same as what is in force.</p>`;
  return html`<h3>If it were put in force now</h3>
    <ul class="changes">
      ${listChanges(changes).map((each) => html`<li key=${each.thing + each.name}><span class="tag">${each.kind}</span> ${each.thing} <b>${each.name}</b>${each.text && html` <span class="soft">${each.text}</span>`}</li>`)}
      ${changes.rollouts.map((shift) => html`<li key=${`rollout ${shift.name}`}><${Shift} shift=${shift} keys=${changes.keys} /></li>`)}
    </ul>
    ${changes.rollouts.length > 0 && html`<p class="sub">Counted over ${number(changes.keys)} made-up keys; plans stand where they stand now, and cohorts are not counted with.</p>`}`;
}

function Shift({ shift, keys }) {
  const reshuffle = sayReshuffle(shift);
  const now = useLive((known) => known.rows?.find((row) => row.name === shift.name) ?? null);
  return html`<span class="tag">${shift.kind}</span> rollout <b>${shift.name}</b> <span class="soft">${shift.fields.join(", ")}</span>
    <p>${sayShift(shift, keys)} ${now && sayHeld(now)}</p>${reshuffle && html`<p class="tone-text-attention">${reshuffle}</p>`}
    <dl class="facts counts">${listCounts(shift, keys).map(([what, count, share]) => html`<div key=${what}><dt>${what}</dt><dd>${count} <span class="soft">${share}</span></dd></div>`)}</dl>`;
}
