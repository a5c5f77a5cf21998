/** An incident in words, as its Markdown says it. Pure. */

import { duration, percent, plural, quantity, number } from "./format.js";

/** What happened, in a sentence. */
export function sayIncident({ rollout, rule, stage, percent_before: before, values }) {
  const where = stage === null ? "" : `, in stage ${stage},`;
  const copies = values.to ? "; requests go on to be copied to the candidate" : "";
  const cause = rule ? "A guard was broken." : `${values.by || "A person"} went back.`;
  if (!before) return `${rollout} was rolled back at 0 %${where.replace(/,$/, "")}${copies}. ${cause}`;
  return `${rollout} went from ${percent(before)}${where} to 0 %${copies}. ${cause}`;
}

/** The numbers that a rule rests on, as rows of `[what, candidate, bound, baseline]`. */
export function listValues({ value, bound, baseline, unit, requests }, rule = "") {
  const window = / for (\S+?)(,|$)/.exec(rule)?.[1];
  const say = (each) => quantity(each, unit ?? "count");
  return [
    [window ? `value over ${window}` : "value", say(value), say(bound), say(baseline)],
    ["requests", number(requests?.candidate), "", number(requests?.baseline)],
  ];
}

/** What the figures of both arms are over; `seconds` is null where that was not recorded. */
export function sayPaths(seconds) {
  const span = seconds === null || seconds === undefined ? "" : ` over the last ${duration(seconds)}`;
  return `Both arms${span}, the worst paths first`;
}

/** Who or what went back, as the timeline says it. */
export function sayWho({ rule, values }) {
  return rule ? `by rule ${rule}` : `by operator ${values.by ?? ""}`.trim();
}

/** What health checks and the breaker kept from the candidate, which rules count against it; empty when nothing. */
export function sayKeptAway(paths) {
  const count = paths.reduce((sum, row) => sum + (row.candidate?.kept_away ?? 0), 0);
  if (!count) return "";
  return `${plural(count, "request")} ${count === 1 ? "was" : "were"} kept away from the candidate by its breaker or by health checks, and answered by the baseline: rules count them against it.`;
}

/** How a sample failed, and who answered if that was somebody else. */
export function sayFailure(sample) {
  return sample.is_failed_over ? `${sample.kind}; answered by the baseline with ${sample.status}` : sample.kind;
}

/** Samples of failed requests, and samples of answers that differed. */
export function partSamples(samples) {
  const isDifference = (sample) => sample.field !== undefined && sample.field !== null;
  return { failed: samples.filter((sample) => !isDifference(sample)), differed: samples.filter(isDifference) };
}
