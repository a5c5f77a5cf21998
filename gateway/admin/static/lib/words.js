/** The contract's states, verdicts and events in words, and what an action would do in a sentence. Pure. */

import { coarse, duration, metricOf, number, percent, plural, rate } from "./format.js";

/** Every state with its word and its tone (a colour and a shape). */
export const STATES = {
  pending: { word: "pending", tone: "idle", says: "Nobody has started the plan." },
  running: { word: "running", tone: "going", says: "It goes on by itself as its plan allows." },
  waiting: { word: "waiting", tone: "attention", says: "Hold and gates are over: a person must approve the next stage." },
  paused: { word: "paused", tone: "attention", says: "Share and cohorts stay; the hold stands still; guards go on." },
  rolled_back: { word: "rolled back", tone: "broken", says: "Nobody is answered by the candidate." },
  completed: { word: "completed", tone: "ok", says: "The plan is done: its last share stays, and guards go on." },
};

/** A state's word and tone, also of one that this page does not know. */
export function stateOf(name) {
  return STATES[name] ?? { word: String(name).replaceAll("_", " "), tone: "idle", says: "" };
}

/** How a rollout stands, in a sentence. */
export function sayStanding({ state, mode, source, stages, to_shadow: isCopied, read: isRead = true }) {
  if (!isRead) return "Not read from the store yet: it stands as this gateway remembers it, or at 0 %.";
  if (mode !== "live") return `In mode ${mode} nobody is answered by the candidate.`;
  if (state === "rolled_back" && isCopied) return "Nobody is answered by the candidate; requests are still copied to it.";
  if (state === "running" && source === "operator") return `An operator's percentage holds${stages.length ? "; the plan stands still under it" : ""}.`;
  if (state === "running" && !stages.length) return "A fixed share: it stays until the file or somebody changes it, or a guard acts.";
  return stateOf(state).says;
}

/** That others do not have yet what is in force here; empty when they do. */
export function sayUnstored({ stored: isStored = true }) {
  return isStored ? "" : "Not stored yet, as the store can't be used: in force on this gateway alone; where there are others, send it to each.";
}

/** Who or what set the share. */
export const SOURCES = { file: "by the file", plan: "by the plan", operator: "by an operator", switch: "by a switch" };

const KINDS = {
  start: "started", pause: "paused", resume: "resumed", stage: "next stage", step_back: "stepped back",
  rollback: "rolled back", percent: "percentage set", unset: "percentage unset", approval: "waits for approval",
  retry: "started again", complete: "completed", config: "configuration", edit: "file edited", notify: "notice",
  blocked: "held up", restored: "told to the store again",
};

/** What kind of event it was, in words. */
export function kindOf(kind) {
  return KINDS[kind] ?? String(kind).replaceAll("_", " ");
}

/** The tone of an event: what harms is broken, what waits for someone asks for attention. */
export function toneOfKind(kind) {
  if (kind === "rollback") return "broken";
  if (["step_back", "pause", "approval", "blocked", "notify"].includes(kind)) return "attention";
  return ["stage", "complete", "start", "resume", "retry"].includes(kind) ? "going" : "idle";
}

const REASONS = {
  met: "met, and the evidence supports it",
  quiet: "quiet: nothing of the kind is seen",
  not_met: "not met",
  broken: "what it fears is so, and the evidence supports it",
  few_requests: "too few requests in its window",
  no_baseline: "the baseline has too few requests to compare with",
  not_compared: "nothing has been compared yet",
  little_evidence: "not enough evidence yet",
  young_stage: "the stage is younger than its window",
  both_arms: "the baseline breaks the same bound: not the candidate's fault",
  not_asked_yet: "not asked yet: all else must be ok first",
};

/**
 * What a rule says, in words: `needs 1,240 more requests`. The evidence of a gate is that of its whole stage.
 * @param {{kind: string, when: string, verdict: string, reason: string, needs: number | null}} rule
 */
export function sayVerdict(rule) {
  const isOfStage = rule.kind === "gate" && rule.reason === "little_evidence";
  if (rule.verdict === "unknown" && rule.needs) {
    const isCompared = metricOf(rule.when).startsWith("mismatch");
    const needs = `needs ${plural(rule.needs, isCompared ? "more comparison" : "more request")}`;
    return isOfStage ? `${needs}: it rests on all since the stage began` : needs;
  }
  if (isOfStage) return "what was seen since the stage began does not support it";
  return REASONS[rule.reason] ?? String(rule.reason).replaceAll("_", " ");
}

const WAITS = {
  approval: "a person's approval",
  resume: "somebody to resume it",
  unset: "the operator's percentage to be unset",
  "mode: live": "mode live",
  CROSSFADE_ROLLBACK: "the switch CROSSFADE_ROLLBACK to be lifted",
};

/** What keeps a plan from its next stage, each in words; `holdLeft` in seconds. */
export function listWaits(waits, holdLeft) {
  return waits.map((wait) => {
    if (wait === "hold") return holdLeft > 0 ? `${duration(holdLeft)} of its hold` : "its hold";
    return WAITS[wait] ?? `the gate ${wait}`;
  });
}

/** The same in a few words, for a row: `48 min, 2 gates`. */
export function sumWaits(waits, holdLeft) {
  const gates = waits.filter((wait) => wait !== "hold" && !(wait in WAITS));
  const others = waits.filter((wait) => wait in WAITS).map((wait) => WAITS[wait]);
  const hold = waits.includes("hold") ? [holdLeft > 0 ? `hold, ${coarse(holdLeft)} left` : "hold"] : [];
  return [...hold, ...(gates.length ? [plural(gates.length, "gate")] : []), ...others].join(", ");
}

/** `a`, `a and b`, `a, b and c`. */
export function join(words) {
  return words.length < 2 ? words.join("") : `${words.slice(0, -1).join(", ")} and ${words.at(-1)}`;
}

/** What drives a rollout, in the order in which it is offered. */
export const ACTIONS = {
  start: { word: "Start", from: ["pending"], isPlan: true, does: "The plan begins with its first stage." },
  resume: { word: "Resume", from: ["paused", "rolled_back"], does: "It goes on where it was paused." },
  promote: { word: "Promote", from: ["waiting", "running", "paused"], isPlan: true, does: "It enters the next stage." },
  pause: { word: "Pause", from: ["running", "waiting"],
    does: "Share and cohorts stay as they are; the hold stands still; guards go on." },
  "step-back": { word: "Step back", from: ["running", "waiting", "paused", "completed"],
    does: "It goes back to the stage before, whose hold begins anew." },
  rollback: { word: "Roll back", from: ["pending", "running", "waiting", "paused", "completed"], isGrave: true,
    does: "The baseline answers everybody, in every worker within a second. It can be resumed when its cooldown is over, or sooner by force." },
};

/** The actions that the contract allows for how the rollout stands (SPEC section 8). */
export function listActions(rollout) {
  const isPlan = rollout.stages.length > 0;
  return Object.keys(ACTIONS).filter((name) => {
    const action = ACTIONS[name];
    if (name === "promote" && rollout.source === "operator") return false;
    return action.from.includes(rollout.state) && (isPlan || !action.isPlan);
  });
}

/** What an action does to this rollout, beyond who moves. */
export function sayAction(name, rollout) {
  if (name === "resume" && rollout.state === "rolled_back") return `It begins anew, with ${rollout.stages.length ? "its first stage" : "the file's percentage"}.`;
  const isFirst = !rollout.stage || rollout.stage.index === 1;
  if (name === "step-back" && isFirst) return `There is no stage before: this is a rollback. ${ACTIONS.rollback.does}`;
  const isLast = rollout.stage && rollout.stage.index === rollout.stage.of;
  const does = name === "promote" && isLast ? "The plan is completed." : ACTIONS[name].does;
  return name === "promote" && rollout.state !== "waiting" ? `${does} Its hold and gates are not over: it takes force.` : does;
}

/**
 * What will happen to how many of the recent users.
 * @param {{users: number | null, window_s: number, percent_before: number, percent_after: number,
 *   to_candidate: number | null, to_baseline: number | null, cohorts_before: string[], cohorts_after: string[]}} impact
 *   counts are estimates of distinct keys
 */
export function sayImpact(impact) {
  const cohorts = sayCohorts(impact);
  const isNobody = impact.percent_before === impact.percent_after && !cohorts.length;
  return [isNobody ? `The share stays at ${percent(impact.percent_after)}: nobody moves.` : sayMoves(impact), ...cohorts].join(" ");
}

/** Who is in a cohort is not known: no count says how many users it moves. */
function sayCohorts({ cohorts_before: before = [], cohorts_after: after = [] }) {
  const say = (names, text) => (names.length ? [text(`the ${names.length === 1 ? "cohort" : "cohorts"} ${join(names)}`)] : []);
  return [
    ...say(before.filter((name) => !after.includes(name)), (who) => `The candidate no longer answers ${who}.`),
    ...say(after.filter((name) => !before.includes(name)), (who) => `The candidate answers ${who}, too: all users or its own share of them.`),
    ...say(after.filter((name) => before.includes(name)), (who) => `Besides, it answers ${who} as before.`),
  ];
}

function sayMoves(impact) {
  const { users, percent_before: before, percent_after: after } = impact;
  if (before === after) return `The share stays at ${percent(after)}.`;
  const share = `The share goes from ${percent(before)} to ${percent(after)}.`;
  const moved = after > before ? impact.to_candidate : impact.to_baseline;
  const arm = after > before ? "candidate" : "baseline";
  if (users === null || users === undefined || moved === null || moved === undefined) {
    return `${share} Of all users ${percent(Math.abs(after - before))} move to the ${arm}; how many were seen lately is not known.`;
  }
  return `${share} Of about ${plural(users, "user")} seen in the last ${lasting(impact.window_s)}, about ${number(moved)} ${moved === 1 ? "moves" : "move"} to the ${arm}.`;
}

function lasting(seconds) {
  return seconds === 3600 ? "hour" : duration(seconds);
}

/** Why an action was refused; or that nobody knows whether it was done, lest it is done twice. */
export function sayFault({ status, message }) {
  const isKnown = status >= 400 && status < 500;
  return isKnown ? message : `${message} It may have been done all the same: look how the rollout stands before you try again.`;
}

/** How both arms' error rates stand to each other, for those who do not see colours. */
export function sayArms(row) {
  return `candidate ${rate(row.candidate?.error_rate)}, baseline ${rate(row.baseline?.error_rate)}`;
}
