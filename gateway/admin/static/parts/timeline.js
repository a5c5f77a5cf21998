/** The way of a rollout: the stages of its plan, and what happened. */

import { addEvents, useLive } from "../lib/live.js";
import { duration, percent, plural } from "../lib/format.js";
import { get } from "../lib/api.js";
import { html, useEffect, useMemo, useState } from "../lib/preact.js";
import { link } from "../lib/route.js";
import { kindOf, toneOfKind } from "../lib/words.js";
import { Empty, Shape, Time } from "./basics.js";
import { HoldLeft } from "./hold.js";

/** So many pages of the log are read: of 1,000 events each. */
const PAGES = 5;
const SHOWN = 40;

/** The plan, stage by stage; `rollout` with `receivedAt` in ms. */
export function Stages({ rollout }) {
  const now = rollout.stage?.index ?? 0;
  return html`<ol class="stages" tabindex="0" aria-label="Stages">${rollout.stages.map((stage, at) => {
    const place = rollout.state === "completed" || at + 1 < now ? "is-done" : at + 1 === now ? "is-now" : "";
    return html`<li key=${at} class="stage ${place}" aria-current=${place === "is-now" ? "step" : undefined}>
      <strong>${percent(stage.percent)}</strong>${sayStage(stage)}
      ${place === "is-now" && html`<${Hold} rollout=${rollout} stage=${stage} />`}</li>`;
  })}</ol>`;
}

function sayStage(stage) {
  const parts = [
    stage.hold_s ? `hold ${duration(stage.hold_s)}` : "no hold",
    stage.gates.length && plural(stage.gates.length, "gate"),
    stage.approval && "then approval",
    stage.cohorts.length && `cohorts ${stage.cohorts.join(", ")}`,
  ];
  return parts.filter(Boolean).join(" · ");
}

function Hold({ rollout, stage }) {
  if (!stage.hold_s) return null;
  return html`<${HoldLeft} stage=${rollout.stage} at=${rollout.receivedAt} isRunning=${rollout.state === "running"}>${(left) => html`
    <span class="hold"><span style=${{ width: `${100 * (1 - left / stage.hold_s)}%` }}></span></span>${left ? `${duration(left)} left` : "hold over"}`}<//>`;
}

/** The events of a rollout, oldest first: those of the log, and those that come. */
export function useEvents(name) {
  const [logged, setLogged] = useState([]);
  const session = useLive((known) => known.session);
  const live = useLive((known) => known.events);
  useEffect(() => {
    let isWanted = true;
    readLog(name).then((events) => { if (isWanted) setLogged(events); }, () => {}); // the stream has what follows
    return () => { isWanted = false; };
  }, [name, session]);
  return useMemo(() => addEvents(logged, live.filter((event) => event.rollout === name)), [logged, live, name]);
}

async function readLog(name) {
  let events = [];
  let after = 0;
  for (let page = 0; page < PAGES && after !== null; page += 1) {
    const found = await get("/events", { rollout: name, after, limit: 1000 });
    events = addEvents(events, found.items);
    after = found.next;
  }
  return events;
}

/** What happened, the newest first. */
export function Timeline({ events, name }) {
  if (!events.length) return html`<${Empty} title="Nothing has happened yet" />`;
  return html`<ol class="timeline" tabindex="0" aria-label="Events">${events.slice(-SHOWN).reverse().map((event) => html`
    <li key=${event.id} class="tone-${toneOfKind(event.kind)}"><${Shape} tone=${toneOfKind(event.kind)} />
      <div><strong>${kindOf(event.kind)}</strong>${sayMove(event)}<p>${event.reason}</p>
        <span class="sub">${event.actor.type === "operator" ? "by operator" : `by ${event.actor.type}`} ${event.actor.name}</span></div>
      <${Time} at=${event.time} exact=${true} /></li>`)}
    ${events.length > SHOWN && html`<li><span></span><a href=${link("events", { rollout: name })}>All ${events.length} events</a></li>`}</ol>`;
}

function sayMove({ from, to }) {
  return from && to && from.percent !== to.percent ? html` <span class="soft">${percent(from.percent)} → ${percent(to.percent)}</span>` : null;
}
