/** One rollout: how it stands, what it waits for, what its rules say, how both arms do; and what can be done with it. */

import { sayFigures } from "../lib/fleet.js";
import { percent, plural } from "../lib/format.js";
import { useFetched, useLive } from "../lib/live.js";
import { html, useEffect, useMemo, useState } from "../lib/preact.js";
import { link } from "../lib/route.js";
import { SOURCES, join, listWaits, sayStanding, sayUnstored } from "../lib/words.js";
import { Arm, Card, Choice, Empty, Failure, Fetched, Lasting, Loading, State, Time } from "../parts/basics.js";
import { Charts } from "../parts/charts.js";
import { Controls, sayDone } from "../parts/controls.js";
import { HoldLeft } from "../parts/hold.js";
import { Paths } from "../parts/paths.js";
import { PercentBar } from "../parts/percent_bar.js";
import { Rules } from "../parts/rules.js";
import { Stages, Timeline, useEvents } from "../parts/timeline.js";

const WINDOWS = [["5m", "5 min"], ["1h", "1 h"], ["24h", "24 h"]];
/** How often rules and figures are asked for; what moves the rollout is told by the stream. */
const RULES_SECONDS = 2;
const PATHS_SECONDS = 5;
/** How long it is told what was done, in ms. */
const SAID_MS = 6000;

/** The view; `params.name` is the rollout's. */
export function View({ params: { name } }) {
  const { found, rollout } = useRollout(name);
  const events = useEvents(name);
  const [said, say] = useSaid();
  if (rollout === null) return html`<${Nothing} name=${name} found=${found} />`;
  const done = (after) => {
    found.put(after);
    say(sayDone(after));
  };
  return html`
    <div class="crumbs"><a href=${link()}>Overview</a> / Rollout</div>
    <div class="head"><h1 tabindex="-1">${name} <${State} name=${rollout.state} /></h1>
      <${Controls} rollout=${rollout} onDone=${done} /></div>
    ${found.problem && html`<${Failure} problem=${found.problem} onRetry=${found.reload} />`}
    <${Standing} rollout=${rollout} />
    ${rollout.stages.length > 0 && html`<${Card} title="Stages" id="stages"><${Stages} rollout=${rollout} /><//>`}
    <${Card} title="Gates and guards" id="rules" className="flush" aside=${html`<${ArmsKey} />`}><${Rules} rollout=${rollout} /><//>
    <${WhoseFigures} />
    <${Measured} rollout=${rollout} events=${events} />
    <${Card} title="What happened" id="events" aside=${events.length > 0 && html`<${InLog} name=${name} count=${events.length} />`}><${Timeline} events=${events} name=${name} /><//>
    <div role="status">${said && html`<p class="said">${said}</p>`}</div>`;
}

/** The rollout with its rules, asked for again as soon as the stream tells that it has moved. */
function useRollout(name) {
  const found = useFetched(`/rollouts/${encodeURIComponent(name)}`, {}, RULES_SECONDS);
  const row = useLive((known) => known.rows?.find((each) => each.name === name) ?? null);
  const moved = row && JSON.stringify([row.state, row.percent, row.source, row.stage?.index, row.last_event?.id]);
  useEffect(() => { if (found.value) found.reload(); }, [moved]);
  const rollout = useMemo(() => found.value && { ...found.value, receivedAt: Date.now() }, [found.value]);
  return { found, rollout };
}

function useSaid() {
  const [said, say] = useState("");
  useEffect(() => {
    const timer = setTimeout(() => say(""), SAID_MS);
    return () => clearTimeout(timer);
  }, [said]);
  return [said, say];
}

function Nothing({ name, found }) {
  return html`<div class="crumbs"><a href=${link()}>Overview</a> / Rollout</div><h1 tabindex="-1">${name}</h1>
    <${Card}>${found.problem?.status === 404
      ? html`<${Empty} title="There is no such rollout"><p>${found.problem.message}</p><a href=${link()}>To the overview</a><//>`
      : found.problem ? html`<${Failure} problem=${found.problem} onRetry=${found.reload} />` : html`<${Loading} lines=${8} />`}<//>`;
}

/** The share, what it waits for, and the facts around it. */
function Standing({ rollout }) {
  const isHalted = rollout.state === "rolled_back" || rollout.state === "paused" || rollout.mode !== "live";
  return html`<${Card}>
    <div class="big-share"><strong>${percent(rollout.percent)}</strong>
      <${PercentBar} percent=${rollout.percent} stages=${rollout.stages.map((stage) => stage.percent)} isHalted=${isHalted} /></div>
    <p class="sentence">${sayStanding(rollout)} ${sayUnstored(rollout)} <${Waits} rollout=${rollout} />
      ${rollout.state === "rolled_back" && html`<a href=${link("incidents", { rollout: rollout.name })}>See the incident</a>`}</p>
    <dl class="facts">
      <${Fact} name="Share set">${SOURCES[rollout.source] ?? rollout.source}<//>
      <${Fact} name="Mode">${rollout.mode}<//>
      <${Fact} name="Version">${rollout.version}<//>
      ${rollout.stage && html`<${Fact} name="Stage">${rollout.stage.index} of ${rollout.stage.of}, for <${Lasting} since=${rollout.stage.since} /><//>`}
      <${Fact} name=${rollout.routes.length === 1 ? "Route" : "Routes"}>${rollout.routes.join(", ") || "none"}<//>
      ${rollout.cooldown_until && html`<${Fact} name="Cooldown over"><${Time} at=${rollout.cooldown_until} /><//>`}
      ${rollout.retries_left !== null && rollout.retries_left > 0 && html`<${Fact} name="Starts again by itself">${rollout.retries_left} more<//>`}
    </dl><//>`;
}

function Fact({ name, children }) {
  return html`<div><dt>${name}</dt><dd>${children}</dd></div>`;
}

/** What keeps the plan from its next stage, in words. */
function Waits({ rollout }) {
  if (!rollout.stage || !rollout.stage.waits_for.length || rollout.state === "waiting") return null;
  const next = rollout.stage.index === rollout.stage.of ? "To be completed" : "For the next stage";
  return html`<${HoldLeft} stage=${rollout.stage} at=${rollout.receivedAt} isRunning=${rollout.state === "running"}>
    ${(left) => html`<span>${next} it waits for ${join(listWaits(rollout.stage.waits_for, left))}.</span>`}<//>`;
}

function InLog({ name, count }) {
  return html`<a href=${link("events", { rollout: name })}>${plural(count, "event")} in the log</a>`;
}

function ArmsKey() {
  return html`<span class="legend">upper figure <${Arm} name="candidate" />, lower <${Arm} name="baseline" /></span>`;
}

/** In a fleet rules and charts do not show the same requests. */
function WhoseFigures() {
  const text = useLive((known) => sayFigures(known.status?.fleet ?? null));
  return text && html`<p class="legend">${text}</p>`;
}

/** Figures over a window, of one route or of all that share the rollout. */
function Measured({ rollout, events }) {
  const [window, setWindow] = useState("5m");
  const [chosen, setChosen] = useState("");
  if (!rollout.routes.length) return html`<${Card}><${Empty} title="No route uses this rollout" /><//>`;
  const route = rollout.routes.includes(chosen) ? chosen : rollout.routes.length === 1 ? rollout.routes[0] : "";
  const where = route ? { route } : { rollout: rollout.name };
  const aside = html`<${Routes} routes=${rollout.routes} value=${route} onChange=${setChosen} />
    <${Choice} label="Window" options=${WINDOWS} value=${window} onChange=${setWindow} />`;
  return html`
    <${Card} title="Both arms over time" id="charts" aside=${aside}>
      <${Charts} where=${where} window=${window} rules=${rollout.rules} events=${events} /><//>
    <${ByPath} where=${where} window=${window} />`;
}

function Routes({ routes, value, onChange }) {
  if (routes.length < 2) return null;
  return html`<select class="select" aria-label="Route" value=${value} onChange=${(event) => onChange(event.target.value)}>
    <option value="">All ${routes.length} routes</option>
    ${routes.map((route) => html`<option key=${route} value=${route}>${route}</option>`)}</select>`;
}

function ByPath({ where, window }) {
  const found = useFetched("/paths", { ...where, window }, PATHS_SECONDS);
  const text = WINDOWS.find(([value]) => value === window)[1];
  return html`<${Card} title=${`Paths, the worst first (last ${text})`} id="paths" className="flush" aside=${html`<${ArmsKey} />`}>
    <${Fetched} from=${found}>${(list) => html`<${Paths} rows=${list.items} />`}<//><//>`;
}
