/** What an operator may do with a rollout, each with a question that says what will happen to how many users. */

import { del, get, getOperator, post, put, setOperator } from "../lib/api.js";
import { percent as sayPercent } from "../lib/format.js";
import { html, useEffect, useState } from "../lib/preact.js";
import { ACTIONS, listActions, sayAction, sayFault, sayImpact, sayUnstored, stateOf } from "../lib/words.js";
import { Time } from "./basics.js";
import { Dialog } from "./dialog.js";

const SHARE = {
  percent: { word: "Set percentage", does: "This share holds, for all cohorts, until it is unset: over restarts and edits of the file. A plan stands still under it; guards go on." },
  unset: { word: "Unset percentage", does: "The operator's percentage is dropped: the plan's, or the file's, holds again." },
};
/** After so long without a key the impact is asked for, in ms. */
const TYPING_MS = 250;

/** The buttons. `onDone` gets the rollout as it stands then. */
export function Controls({ rollout, onDone }) {
  const [action, setAction] = useState("");
  const done = (after) => {
    setAction("");
    onDone(after);
  };
  return html`<div class="actions" role="group" aria-label="What you can do">
    ${listOffers(rollout).map((name) => html`<button type="button" key=${name} class="button ${styleOf(name, rollout.state)}" onClick=${() => setAction(name)}>${wordOf(name)}</button>`)}
    ${action && html`<${Question} rollout=${rollout} action=${action} onDone=${done} onClose=${() => setAction("")} />`}
  </div>`;
}

/** The gravest comes last. */
function listOffers(rollout) {
  const actions = listActions(rollout);
  const share = [rollout.state !== "rolled_back" && "percent", rollout.source === "operator" && "unset"].filter(Boolean);
  return [...actions.filter((name) => name !== "rollback"), ...share, ...actions.filter((name) => name === "rollback")];
}

function wordOf(name) {
  return (ACTIONS[name] ?? SHARE[name]).word;
}

/** What a state waits for is offered first. */
const AWAITED = { pending: "start", waiting: "promote", paused: "resume", rolled_back: "resume" };

function styleOf(name, state) {
  if (name === "rollback") return "grave";
  return AWAITED[state] === name ? "primary" : "";
}

/** Asks before it is done, and says why it is refused. */
function Question({ rollout, action, onDone, onClose }) {
  const [wish, setWish] = useState({ reason: "", percent: String(rollout.percent), force: false, isCopied: rollout.to_shadow, operator: getOperator() });
  const [problem, setProblem] = useState(null);
  const [isAsking, setAsking] = useState(false);
  const edit = (change) => setWish((old) => ({ ...old, ...change }));
  const [version, setVersion] = useState(rollout.version); // as it stood when this was asked
  const askAgain = () => {
    setVersion(rollout.version);
    setProblem(null);
  };
  const onSubmit = async (event) => {
    event.preventDefault();
    setAsking(true);
    setProblem(null);
    try {
      onDone(await carryOut(rollout, action, { ...wish, version }));
    } catch (fault) {
      setProblem(fault);
      setAsking(false);
    }
  };
  return html`<${Dialog} title=${`${wordOf(action)}: ${rollout.name}`} onClose=${onClose}>
    <form class="form" onSubmit=${onSubmit}>
      <p>${action in SHARE ? SHARE[action].does : sayAction(action, rollout)}</p>
      ${action === "percent" && html`<${Share} value=${wish.percent} onInput=${(value) => edit({ percent: value })} />`}
      <${Moved} rollout=${rollout} isMoved=${!isAsking && rollout.version !== version} onAgain=${askAgain} />
      <${Impact} rollout=${rollout} action=${action} share=${wish.percent} />
      <${Options} rollout=${rollout} action=${action} wish=${wish} edit=${edit} />
      <label class="field"><span>Reason <small>for the audit log</small></span>
        <input value=${wish.reason} maxlength="500" autocomplete="off" onInput=${(event) => edit({ reason: event.target.value })} /></label>
      <label class="field"><span>Your name <small>for the audit log; empty: your address</small></span>
        <input value=${wish.operator} maxlength="100" pattern="[ -~]*" title="Letters without accents, digits and signs" autocomplete="off" onInput=${(event) => edit({ operator: event.target.value })} /></label>
      <p class="fault" role="alert">${problem ? sayFault(problem) : ""}</p>
      <div class="form-end"><button type="button" class="button" onClick=${onClose}>Cancel</button>
        <button type="submit" class="button primary ${action === "rollback" ? "grave" : ""}" disabled=${isAsking}>${isAsking ? "Doing it…" : wordOf(action)}</button></div>
    </form>
  <//>`;
}

/** Only while the rollout stands as the question said, so that two who press at once move it once. */
function carryOut(rollout, action, { reason, version, ...wish }) {
  const base = `/rollouts/${encodeURIComponent(rollout.name)}`;
  setOperator(wish.operator);
  if (action === "percent") return put(`${base}/percent`, { percent: Number(wish.percent), reason, version });
  if (action === "unset") return del(`${base}/percent`, { reason, version });
  const isCopied = action === "rollback" && rollout.has_shadow && wish.isCopied;
  return post(`${base}/${action}`, { reason, version, force: wish.force, to: isCopied ? "shadow" : null });
}

/** That the rollout is not where it was when this was asked; who wants it all the same says so. */
function Moved({ rollout, isMoved, onAgain }) {
  return html`<p class="fault" role="alert">${isMoved && html`It has moved since you were asked: ${sayWhere(rollout)}.
    <button type="button" class="button" onClick=${onAgain}>Ask again</button>`}</p>`;
}

function Share({ value, onInput }) {
  return html`<label class="field"><span>Percentage of the users <small>0 to 100</small></span>
    <input type="number" min="0" max="100" step="any" required autofocus value=${value} onInput=${(event) => onInput(event.target.value)} /></label>`;
}

function Options({ rollout, action, wish, edit }) {
  const force = (event) => edit({ force: event.target.checked });
  if (action === "rollback" && rollout.has_shadow) {
    return html`<${Check} isOn=${wish.isCopied} onChange=${(event) => edit({ isCopied: event.target.checked })}>Keep copying requests to the candidate, to compare its answers<//>`;
  }
  if (action === "promote") return html`<${Check} isOn=${wish.force} onChange=${force}>Force: skip what is left of the hold, and the gates<//>`;
  if (action === "resume" && rollout.cooldown_until) {
    return html`<${Check} isOn=${wish.force} onChange=${force}>Force: do not wait for the cooldown, which is over <${Time} at=${rollout.cooldown_until} /><//>`;
  }
  return null;
}

function Check({ isOn, onChange, children }) {
  return html`<label class="check"><input type="checkbox" checked=${isOn} onChange=${onChange} /><span>${children}</span></label>`;
}

/** Who moves, in a sentence; asked anew when the share is another, or the rollout has moved meanwhile. */
function Impact({ rollout: { name, version }, action, share }) {
  const [text, setText] = useState("Asking how many users this moves…");
  const wanted = action === "percent" ? { percent: share } : { action, force: true }; // whether it takes force is said elsewhere
  useEffect(() => {
    if (action === "percent" && (share === "" || !(share >= 0 && share <= 100))) return setText("Write a percentage from 0 to 100.");
    const aborter = new AbortController();
    const timer = setTimeout(() => {
      get(`/rollouts/${encodeURIComponent(name)}/impact`, wanted, aborter.signal)
        .then((impact) => setText(sayImpact(impact)), (problem) => { if (!aborter.signal.aborted) setText(problem.message); });
    }, action === "percent" ? TYPING_MS : 0);
    return () => {
      clearTimeout(timer);
      aborter.abort();
    };
  }, [share, version]);
  return html`<p class="impact" role="status">${text}</p>`;
}

/** What was done, for the line that tells of it. */
export function sayDone(rollout) {
  const done = `${rollout.name} is ${stateOf(rollout.state).word} at ${sayPercent(rollout.percent)}, in force in every worker.`;
  return [done, sayUnstored(rollout)].filter(Boolean).join(" ");
}

function sayWhere({ state, percent, stage }) {
  return `${stateOf(state).word} at ${sayPercent(percent)}${stage ? `, in stage ${stage.index} of ${stage.of}` : ""}`;
}
