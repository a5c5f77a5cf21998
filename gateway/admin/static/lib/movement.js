/** What a draft of the configuration would change, in words. Pure. */

import { number, percent, rate } from "./format.js";

/** Whether it does the same as what is in force. */
export function isSame({ routes, routes_reordered: isReordered, rollouts, backends, server, tokens = [] }) {
  return !isReordered && [routes, rollouts, backends, server, tokens].every((each) => !each.length);
}

/** Routes, backends, the server's fields and those of `jwt`, as `[thing, name, kind, fields]`. */
export function listChanges({ keys, routes, routes_reordered: isReordered, backends, server, tokens = [], moves = [] }) {
  const say = (thing) => (change) => ({ thing, name: change.name, kind: change.kind, text: change.fields.join(", ") });
  const sayRoute = (change) => {
    const answers = moves.filter(({ route }) => route === change.name).map((move) => sayMove(move, keys));
    return { ...say("route")(change), text: [change.fields.join(", "), ...answers].filter(Boolean).join("; ") };
  };
  return [
    ...routes.map(sayRoute),
    ...(isReordered ? [{ thing: "routes", name: "all", kind: "changed", text: "tried in another order" }] : []),
    ...backends.map(say("backend")),
    ...(server.length ? [{ thing: "server", name: "", kind: "changed", text: server.join(", ") }] : []),
    ...(tokens.length ? [{ thing: "jwt", name: "", kind: "changed", text: tokens.join(", ") }] : []),
  ];
}

/** How many of a route's users get their answers from another backend, or from the same. */
export function sayMove({ before, after, keys: count }, keys) {
  const share = rate(count / Math.max(1, keys));
  return before === after ? `${share} stay on ${after}` : `${share} ${before} → ${after}`;
}

/** Whom a rollout's change moves, in a sentence; `keys` is how many made-up ones were tried. */
export function sayShift(shift, keys) {
  if (shift.is_counted === false) return `Its routes are ${shift.kind}, too: others may serve their requests, so nothing is counted.`;
  const share = shift.percent_before === shift.percent_after
    ? `The share stays at ${percent(shift.percent_after)}.`
    : `The share goes from ${percent(shift.percent_before)} to ${percent(shift.percent_after)}.`;
  const moves = [[shift.to_candidate, "to the candidate"], [shift.to_baseline, "to the baseline"]]
    .filter(([count]) => count > 0).map(([count, where]) => `${rate(count / keys)} ${where}`);
  return `${share} ${moves.length ? `Of all users move ${moves.join(" and ")}.` : "Nobody moves."}`;
}

/** Why an edit of its share moves nobody, by how the rollout stands now; empty when that is not so. */
export function sayHeld({ state, source }) {
  if (state === "rolled_back") return "It is rolled back, which no edit undoes.";
  return source === "operator" ? "An operator's percentage holds, whatever the file says." : "";
}

/** What makes users change places beyond that; empty when nothing does. */
export function sayReshuffle({ reshuffled_by: fields }) {
  if (!fields.length) return "";
  const changed = `Users are reshuffled: ${fields.join(" and ")} changed.`;
  return fields.includes("key") ? `${changed} Which user has which key now can't be told from keys: the counts leave it out.` : changed;
}

/** The counts of a rollout as `[what, count, share]`. */
export function listCounts(shift, keys) {
  if (shift.is_counted === false) return [];
  const counts = [["baseline → candidate", shift.to_candidate], ["candidate → baseline", shift.to_baseline], ["stay on the candidate", shift.stay_candidate], ["stay on the baseline", shift.stay_baseline]];
  return counts.map(([what, count]) => [what, number(count), rate(count / Math.max(1, keys))]);
}
