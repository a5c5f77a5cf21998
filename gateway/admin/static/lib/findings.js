/** What comparing has found, sorted for people and put in words. Pure. */

import { ABSENT } from "./contrast.js";

const KINDS = {
  status: "another status", header: "another header", missing: "missing", extra: "extra", type: "another type",
  value: "another value", order: "another order", length: "another length", body: "another body",
};

const EXPLAINED = {
  status: "The candidate answered with another status.",
  header: "A header that is compared has another value.",
  missing: "The baseline has it, the candidate lacks it.",
  extra: "The candidate has it, the baseline lacks it.",
  type: "Both have it, as values of different types.",
  value: "Both have it, with different values.",
  order: "Both have the same elements, in another order.",
  length: "The lists have different lengths.",
  body: "The bodies differ. They are not looked into: only their lengths and digests are known.",
};

/** In which way a field differs, in a word or two. */
export function sayKind(kind) {
  return KINDS[kind] ?? String(kind);
}

/** The same in a sentence. */
export function explainKind(kind) {
  return EXPLAINED[kind] ?? "";
}

const SKIPS = {
  body_size: "body too large",
  concurrency: "too many at once",
  breaker: "breaker open",
  upgrade: "upgraded connection",
  client_gone: "client left",
  comparer_busy: "comparer busy",
};

/** Why copies were not made or not compared, the most frequent first: `[reason in words, count]`. */
export function listSkips(skipped) {
  return Object.entries(skipped).sort(([, a], [, b]) => b - a).map(([reason, count]) => [SKIPS[reason] ?? reason.replaceAll("_", " "), count]);
}

/** Both sides of a sample. A side that lacks the field is `ABSENT`; the API has null for it. */
export function takeSides(kind, { baseline, candidate }) {
  const isHeader = kind === "header";
  return {
    baseline: kind === "extra" || (isHeader && baseline === null) ? ABSENT : baseline,
    candidate: kind === "missing" || (isHeader && candidate === null) ? ABSENT : candidate,
  };
}

/** Whether the API kept only the beginning of one of the sides. */
export function isCut({ baseline, candidate }) {
  return [baseline, candidate].some((side) => typeof side === "object" && side !== null && "truncated" in side);
}

/** Names a finding: unlike all others'. */
export function keyOf(row) {
  return JSON.stringify([row.route, row.path, row.field, row.kind]);
}

/** The rows of each path, in the order in which they come: the path with the worst row first. */
export function groupByPath(rows) {
  const groups = new Map();
  for (const row of rows) {
    const key = JSON.stringify([row.route, row.path]);
    if (!groups.has(key)) groups.set(key, { key, route: row.route, path: row.path, compared: row.compared, rows: [] });
    groups.get(key).rows.push(row);
  }
  return [...groups.values()];
}

/** The parts of the totals in the order in which they are drawn, each with its share (0 to 1) of all that came of copies. */
export function shareTotals({ match, noise, mismatch, error, skipped }) {
  const counts = { match, noise, mismatch, error, skipped: Object.values(skipped).reduce((sum, count) => sum + count, 0) };
  const all = Object.values(counts).reduce((sum, count) => sum + count, 0);
  return Object.entries(counts).map(([name, count]) => ({ name, count, share: all ? count / all : 0 }));
}

/** The rows of `/paths` as one row for each route: what was compared, and the share of it that differed. */
export function sumRoutes(routes, paths) {
  const sums = new Map(routes.map((route) => [route.name, { route: route.name, rollout: route.rollout, compared: 0, differed: 0 }]));
  for (const row of paths) {
    const sum = sums.get(row.route);
    if (!sum) continue;
    sum.compared += row.compared;
    sum.differed += row.compared * (row.mismatch_rate ?? 0);
  }
  return [...sums.values()].map((sum) => ({ ...sum, rate: sum.compared ? sum.differed / sum.compared : null }));
}
