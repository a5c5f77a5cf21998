/** The audit log: who or what changed what, when and why. New events come by the stream. */

import { NO_WISH, isWanted, listValues, mergeEvents, readBack } from "../lib/audit.js";
import { percent, plural } from "../lib/format.js";
import { useLive } from "../lib/live.js";
import { html, useEffect, useId, useMemo, useRef, useState } from "../lib/preact.js";
import { findRoute, link } from "../lib/route.js";
import { kindOf, toneOfKind } from "../lib/words.js";
import { Badge, Card, CodeBlock, Empty, Failure, Loading, Time } from "../parts/basics.js";

const AT_A_TIME = 100;
const COLUMNS = ["Time", "What", "Rollout", "Who", "Why"];
const ACTORS = { operator: "an operator", rule: "a rule", plan: "the plan", file: "the file" };

/** The view; its params say what is looked for. */
export function View() {
  const [wish, setWish] = useWish();
  const log = useLog(wish);
  const [count, setCount] = useState(AT_A_TIME);
  const wanted = useMemo(() => log.events.filter((event) => isWanted(event, wish)).reverse(), [log.events, wish]);
  const edit = (change) => { setCount(AT_A_TIME); setWish({ ...wish, ...change }); };
  const more = () => { setCount(count + AT_A_TIME); if (count + AT_A_TIME > wanted.length) log.readOn(); };
  return html`<div class="head"><h1 tabindex="-1">Events</h1></div>
    <${Filter} events=${log.events} wish=${wish} edit=${edit} />
    ${log.isLoading ? html`<${Card}><${Loading} lines=${8} label="Loading the events" /><//>` : html`
      <${Card} className="flush">${wanted.length ? html`<${Log} events=${wanted.slice(0, count)} />` : html`<${None} log=${log} wish=${wish} />`}<//>
      ${log.problem && html`<${Failure} problem=${log.problem} onRetry=${log.readOn} />`}
      <${End} log=${log} shown=${Math.min(count, wanted.length)} found=${wanted.length} onMore=${more} />`}`;
}

/** What is looked for, kept in the address: it can be shared. */
function useWish() {
  const [wish, setWish] = useState(readWish);
  useEffect(() => {
    const onChange = () => setWish(readWish());
    window.addEventListener("hashchange", onChange);
    return () => window.removeEventListener("hashchange", onChange);
  }, []);
  const keep = (next) => {
    const given = Object.fromEntries(Object.entries(next).filter(([, value]) => value));
    history.replaceState(null, "", Object.keys(given).length ? link("events", given) : link("events"));
    setWish(next);
  };
  return [wish, keep];
}

function readWish() {
  const params = findRoute(location.hash)?.params ?? {};
  return Object.fromEntries(Object.entries(NO_WISH).map(([name, none]) => [name, params[name] ?? none]));
}

/** The events that are known, oldest first; `readOn` reads further back, to `end`: 0 is the log's beginning. */
function useLog(wish) {
  const live = useLive((known) => known.events);
  const isLoading = useLive((known) => known.rows === null || (!known.hasHistory && !known.events.length && known.status?.store.ok !== false));
  const [log, setLog] = useState({ events: live, isReading: false, problem: null });
  const ends = useRef({}); // by rollout, and "" for all: how far back every event is known
  if (live.length) ends.current[""] = Math.min(ends.current[""] ?? Infinity, live[0].id);
  useEffect(() => setLog((old) => ({ ...old, events: mergeEvents(old.events, live) })), [live]);
  const end = Math.min(ends.current[""] ?? 0, ends.current[wish.rollout] ?? Infinity);
  const readOn = async () => {
    setLog((old) => ({ ...old, isReading: true, problem: null }));
    try {
      const found = await readBack(end, wish);
      ends.current[wish.rollout] = found.end;
      setLog((old) => ({ events: mergeEvents(old.events, found.items), isReading: false, problem: null }));
    } catch (problem) {
      setLog((old) => ({ ...old, isReading: false, problem }));
    }
  };
  return { ...log, end: end <= 1 ? 0 : end, isLoading, readOn };
}

function Filter({ events, wish, edit }) {
  const rows = useLive((known) => known.rows);
  const rollouts = useMemo(() => [...new Set([...(rows ?? []).map((row) => row.name), ...listValues(events, (event) => event.rollout), ...[wish.rollout].filter(Boolean)])].sort(), [rows, events, wish.rollout]);
  const kinds = useMemo(() => listValues([...events, { kind: wish.kind }], (event) => event.kind), [events, wish.kind]);
  return html`<div class="filter" role="search" aria-label="Events">
    <div class="chips">
      <${Select} label="Rollout" all="All rollouts" value=${wish.rollout} options=${rollouts.map((name) => [name, name])} onChange=${(rollout) => edit({ rollout })} />
      <${Select} label="What happened" all="Everything" value=${wish.kind} options=${kinds.map((kind) => [kind, kindOf(kind)])} onChange=${(kind) => edit({ kind })} />
      <${Select} label="Who did it" all="Anybody" value=${wish.actor} options=${Object.entries(ACTORS)} onChange=${(actor) => edit({ actor })} />
      ${Object.values(wish).some(Boolean) && html`<button type="button" class="button quiet small" onClick=${() => edit(NO_WISH)}>Clear</button>`}
    </div>
    <input class="find" type="search" placeholder="Find in reasons, names, inputs" aria-label="Find in reasons, names, inputs" value=${wish.text} onInput=${(event) => edit({ text: event.target.value })} />
  </div>`;
}

function Select({ label, all, value, options, onChange }) {
  return html`<select class="select" aria-label=${label} value=${value} onChange=${(event) => onChange(event.target.value)}>
    <option value="">${all}</option>${options.map(([each, text]) => html`<option key=${each} value=${each}>${text}</option>`)}</select>`;
}

function Log({ events }) {
  return html`<table class="table is-stack events"><caption class="unseen">Events, the newest first</caption>
    <thead><tr>${COLUMNS.map((title) => html`<th scope="col" key=${title}>${title}</th>`)}</tr></thead>
    <tbody>${events.map((event) => html`<${Row} key=${event.id} event=${event} />`)}</tbody></table>`;
}

function Row({ event }) {
  const [isOpen, setOpen] = useState(false);
  const id = useId();
  return html`
    <tr class=${isOpen ? "is-open" : ""}>
      <th scope="row"><button type="button" class="disclose" aria-expanded=${isOpen} aria-controls=${id} onClick=${() => setOpen(!isOpen)}>
        <span class="chevron" aria-hidden="true"></span><span><${Time} at=${event.time} exact=${true} /><span class="unseen">, what it rests on</span></span></button></th>
      <td data-label="What"><${Badge} tone=${toneOfKind(event.kind)}>${kindOf(event.kind)}<//>${sayMove(event)}</td>
      <td data-label="Rollout">${event.rollout ? html`<a class="word" href=${link("rollouts", event.rollout)}>${event.rollout}</a>` : html`<span class="soft">the gateway</span>`}</td>
      <td data-label="Who"><span class="word">${event.actor.name || event.actor.type}</span><span class="sub">${event.actor.name && event.actor.type}</span></td>
      <td class="why" data-label="Why">${event.reason || html`<span class="soft">no reason given</span>`}</td>
    </tr>
    ${isOpen && html`<tr class="opened" id=${id}><td colspan=${COLUMNS.length}><${Inputs} event=${event} /></td></tr>`}`;
}

function sayMove({ from, to }) {
  if (!from || !to || from.percent === to.percent) return null;
  return html`<span class="sub">${percent(from.percent)} → ${percent(to.percent)}</span>`;
}

/** The values that it rests on. */
function Inputs({ event }) {
  const isNone = !Object.keys(event.inputs).length;
  return html`<div class="samples">
    ${event.inputs.incident && html`<p><a href=${link("incidents", event.inputs.incident)}>The incident: figures, samples and what led there</a></p>`}
    ${isNone ? html`<p class="soft">It rests on no values.</p>` : html`<${CodeBlock} text=${JSON.stringify(event.inputs, null, 2)} label="What it rests on" />`}
    <p class="sub">Event ${event.id}, under revision <code>${event.revision || "none"}</code>.</p></div>`;
}

function None({ log, wish }) {
  if (!Object.values(wish).some(Boolean)) return html`<${Empty} title="No events yet"><p>Each transition of a rollout and each configuration put in force is told here, with who or what did it and why.</p><//>`;
  return html`<${Empty} title="No event is like that"><p>${log.end === 0 ? "None in the whole log." : `None among the newest ${log.events.length}.`}</p><//>`;
}

/** How much of the log is seen, and the way further back. */
function End({ log, shown, found, onMore }) {
  const hasMore = shown < found || log.end > 0;
  const text = hasMore ? `${plural(shown, "event")} shown` : `${plural(shown, "event")}, back to the log's beginning`;
  return html`<p class="legend" role="status">${found > 0 && `${text}.`}</p>
    ${hasMore && html`<div class="more"><button type="button" class="button" disabled=${log.isReading} onClick=${onMore}>${log.isReading ? "Reading…" : found ? "Show older ones" : "Look further back"}</button></div>`}`;
}
