/** The configuration in force, what was wrong with the last text, and a box that tries a draft. */

import { post } from "../lib/api.js";
import { splitLines } from "../lib/lines.js";
import { useFetched, useLive } from "../lib/live.js";
import { html, useEffect, useMemo, useState } from "../lib/preact.js";
import { Badge, Card, Failure, Fetched, Time } from "../parts/basics.js";
import { Draft } from "../parts/draft.js";
import { Lines, Problems, sayProblems } from "../parts/lines.js";

/** A text that is refused changes no revision: only asking shows it. */
const PACE_SECONDS = 10;
const SAID_MS = 5000;

/** The view. */
export function View() {
  const found = useFetched("/config", {}, PACE_SECONDS);
  const revision = useLive((known) => known.status?.revision ?? "");
  useEffect(() => { if (found.value && revision !== found.value.revision) found.reload(); }, [revision]);
  return html`<div class="head"><h1 tabindex="-1">Configuration</h1><${Reload} found=${found} /></div>
    <${Fetched} from=${found} lines=${10}>${(config) => html`
      <${Facts} config=${config} />
      ${!config.last_reload_ok && html`<${Refused} config=${config} />`}
      <${Card} title="In force" id="text" className="flush" aside=${html`<span class="legend">as it was read, secrets as <code>"***"</code></span>`}>
        <${Lines} text=${config.yaml} label="The text in force" /><//>
      <${Card} title="Try a draft" id="draft" aside=${html`<span class="legend">nothing is put in force</span>`}><${Draft} inForce=${config.yaml} /><//>`}<//>`;
}

/** Reads the file again now. */
function Reload({ found }) {
  const [isAsking, setAsking] = useState(false);
  const [said, say] = useState("");
  const [problem, setProblem] = useState(null);
  useEffect(() => {
    const timer = setTimeout(() => say(""), SAID_MS);
    return () => clearTimeout(timer);
  }, [said]);
  const reload = async () => {
    setAsking(true);
    setProblem(null);
    try {
      found.put(await post("/config/reload"));
      say("The file was read: it is in force in every worker.");
    } catch (fault) {
      if (fault.status === 422) say("The file was refused: what was in force stays.");
      else setProblem(fault);
      found.reload();
    }
    setAsking(false);
  };
  return html`<div><div class="actions"><button type="button" class="button" disabled=${isAsking} onClick=${reload}>${isAsking ? "Reading…" : "Read the file again"}</button></div>
    ${problem && html`<${Failure} problem=${problem} onRetry=${reload} />`}
    <div role="status">${said && html`<p class="said">${said}</p>`}</div></div>`;
}

function Facts({ config }) {
  return html`<${Card}><dl class="facts is-first">
    <${Fact} name="File"><code>${config.file}</code><//>
    <${Fact} name="Revision in force"><code>${config.revision}</code><//>
    <${Fact} name="In force since"><${Time} at=${config.loaded_at} exact=${true} /> <span class="soft"><${Time} at=${config.loaded_at} /></span><//>
    <${Fact} name="Last reload">${config.last_reload_ok ? html`<${Badge} tone="ok">accepted<//>` : html`<${Badge} tone="broken">refused<//> ${sayProblems(config.problems)}`}<//>
    <${Fact} name="Waits for a restart">${config.waits_for_restart.length
      ? html`<${Badge} tone="attention">${config.waits_for_restart.length}<//> <code>${config.waits_for_restart.join(", ")}</code>` : "nothing"}<//>
  </dl><//>`;
}

function Fact({ name, children }) {
  return html`<div><dt>${name}</dt><dd>${children}</dd></div>`;
}

/** What is wrong with the newest text, at its lines. */
function Refused({ config }) {
  const [place, setPlace] = useState(null);
  const count = splitLines(config.refused_yaml ?? "").length;
  const problems = useMemo(() => config.problems.map((each) => ({ ...each, line: Math.min(each.line, count) })), [config]);
  return html`<${Card} title="The newest text was refused" id="refused" className="flush refused" aside=${html`<span class="legend">what was in force before stays in force</span>`}>
    <${Problems} problems=${config.problems} onGo=${(problem) => setPlace({ line: Math.min(problem.line, count) })} />
    ${config.refused_yaml
      ? html`<${Lines} text=${config.refused_yaml} problems=${problems} place=${place} label="The text that was refused" />`
      : html`<p class="sub refused-note">The text is not shown: it can't be read far enough to strike out its secrets.</p>`}<//>`;
}
