/** An incident in words, as its Markdown says it. Pure. */

import { percent, plural, quantity, number } from "./format.js";

/** What happened, in a sentence. */
export function sayIncident({ rollout, rule, stage, percent_before: before, values }) {
  const where = stage === null ? "" : `, in stage ${stage},`;
  const copies = values.to ? "; requests go on to be copied to the candidate" : "";
  const cause = rule ? "A guard was broken." : `${values.by || "A person"} went back.`;
  return `${rollout} went from ${percent(before)}${where} to 0 %${copies}. ${cause}`;
}

/** The numbers that a rule rests on, as rows of `[what, candidate, bound, baseline]`. */
export function listValues({ value, bound, baseline, unit, requests }) {
  const say = (each) => quantity(each, unit ?? "count");
  return [
    ["value", say(value), say(bound), say(baseline)],
    ["requests", number(requests?.candidate), "", number(requests?.baseline)],
  ];
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
