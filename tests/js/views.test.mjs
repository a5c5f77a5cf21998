import assert from "node:assert/strict";
import { test } from "node:test";

import { NO_WISH, isWanted, listValues, mergeEvents, readBack } from "../../gateway/admin/static/lib/audit.js";
import { ABSENT } from "../../gateway/admin/static/lib/contrast.js";
import * as findings from "../../gateway/admin/static/lib/findings.js";
import * as incident from "../../gateway/admin/static/lib/incident.js";
import { findOffset, groupByLine, splitLines } from "../../gateway/admin/static/lib/lines.js";
import * as movement from "../../gateway/admin/static/lib/movement.js";

const event = (id, more = {}) => ({ id, rollout: "checkout", kind: "stage", actor: { type: "plan", name: "stage 2" }, reason: "hold over", inputs: {}, revision: "abc", ...more });

test("events are found by rollout, kind, who did it, and by any of their words", () => {
  const one = event(1, { inputs: { percent: 12.5 }, reason: "Too <b>slow</b>" });
  assert.ok(isWanted(one, NO_WISH));
  assert.ok(isWanted(one, { rollout: "checkout", kind: "stage", actor: "plan", text: "TOO <B>" }));
  assert.ok(isWanted(one, { ...NO_WISH, text: "12.5" }));
  for (const wish of [{ rollout: "search" }, { kind: "pause" }, { actor: "operator" }, { text: "fast" }]) {
    assert.ok(!isWanted(one, { ...NO_WISH, ...wish }));
  }
});

test("events are merged by id, and nothing new leaves the list as it is", () => {
  const known = [event(2), event(3)];
  assert.deepEqual(mergeEvents(known, [event(1), event(3)]).map((each) => each.id), [1, 2, 3]);
  assert.equal(mergeEvents(known, [event(3)]), known);
  assert.deepEqual(listValues([event(1), event(2, { rollout: null })], (each) => each.rollout), ["checkout"]);
});

/** Answers the API's question for events from `log`, and counts how often it is asked. */
async function withLog(log, read) {
  const before = globalThis.fetch;
  let asked = 0;
  globalThis.fetch = async (address) => {
    asked += 1;
    const query = new URLSearchParams(address.split("?")[1]);
    const found = log.filter((each) => each.id > Number(query.get("after")) && (!query.get("rollout") || each.rollout === query.get("rollout")));
    const items = found.slice(0, Number(query.get("limit")));
    return new Response(JSON.stringify({ items, next: items.length < found.length ? items.at(-1).id : null }));
  };
  try {
    return { ...(await read()), asked };
  } finally {
    globalThis.fetch = before;
  }
}

test("the log is read backwards until something wanted is found", async () => {
  const log = Array.from({ length: 9000 }, (_, at) => event(at + 1, { kind: at === 99 ? "rollback" : "stage" }));
  const next = await withLog(log, () => readBack(9000, NO_WISH));
  assert.deepEqual([next.items.at(-1).id, next.items.length, next.end, next.asked], [8999, 1000, 8000, 1]);
  const far = await withLog(log, () => readBack(9000, { ...NO_WISH, kind: "rollback" }));
  assert.deepEqual([far.items.length, far.end, new Set(far.items.map((each) => each.id)).size], [8999, 0, 8999]);
});

test("a rollout that is long quiet is found in few questions", async () => {
  const log = [event(3, { rollout: "quiet" }), ...Array.from({ length: 99 }, (_, at) => event(100_000 + at))];
  const { items, end, asked } = await withLog(log, () => readBack(100_000, { ...NO_WISH, rollout: "quiet" }));
  assert.deepEqual(items.map((each) => each.id), [3]);
  assert.ok(end === 0 && asked < 8, `${end} ${asked}`);
  assert.equal((await withLog([], () => readBack(100_000, NO_WISH))).end, 0);
});

test("findings stand under their paths, the path with the worst first", () => {
  const rows = [["/b", "$.x"], ["/a", "$.y"], ["/b", "$.z"]].map(([path, field]) => ({ route: "r", path, field, kind: "value", compared: 5 }));
  const groups = findings.groupByPath(rows);
  assert.deepEqual(groups.map((group) => [group.path, group.rows.map((row) => row.field)]), [["/b", ["$.x", "$.z"]], ["/a", ["$.y"]]]);
  assert.equal(new Set(rows.map(findings.keyOf)).size, 3);
});

test("a side that lacks a field is not taken for one that has null there", () => {
  const nulls = { baseline: null, candidate: null };
  assert.deepEqual(findings.takeSides("extra", nulls), { baseline: ABSENT, candidate: null });
  assert.deepEqual(findings.takeSides("missing", nulls), { baseline: null, candidate: ABSENT });
  assert.deepEqual(findings.takeSides("type", { baseline: null, candidate: 1 }), { baseline: null, candidate: 1 });
  assert.deepEqual(findings.takeSides("header", { baseline: "1", candidate: null }), { baseline: "1", candidate: ABSENT });
});

test("totals have shares of everything that came of copies", () => {
  const parts = findings.shareTotals({ match: 5, mismatch: 3, noise: 0, error: 0, skipped: { breaker: 1, body_size: 1 } });
  assert.deepEqual(parts.map((part) => [part.name, part.count, part.share]), [["match", 5, 0.5], ["noise", 0, 0], ["mismatch", 3, 0.3], ["error", 0, 0], ["skipped", 2, 0.2]]);
  assert.deepEqual(findings.listSkips({ breaker: 1, body_size: 2, new_reason: 3 }), [["new reason", 3], ["body too large", 2], ["breaker open", 1]]);
  assert.ok(findings.shareTotals({ match: 0, mismatch: 0, noise: 0, error: 0, skipped: {} }).every((part) => part.share === 0));
});

test("a route's rate is that of all its paths together", () => {
  const routes = [{ name: "a", rollout: "x" }, { name: "b", rollout: "x" }];
  const paths = [{ route: "a", compared: 90, mismatch_rate: 0 }, { route: "a", compared: 10, mismatch_rate: 0.5 }, { route: "gone", compared: 1, mismatch_rate: 1 }];
  assert.deepEqual(findings.sumRoutes(routes, paths).map((row) => [row.route, row.compared, row.rate]), [["a", 100, 0.05], ["b", 0, null]]);
});

test("an incident says from where it went, and who or what did it", () => {
  const rollback = { rollout: "checkout", rule: "error_rate > 5%", stage: 2, percent_before: 25, values: {} };
  assert.equal(incident.sayIncident(rollback), "checkout went from 25 %, in stage 2, to 0 %. A guard was broken.");
  assert.equal(incident.sayIncident({ ...rollback, percent_before: 0 }), "checkout was rolled back at 0 %, in stage 2. A guard was broken.");
  const byHand = { ...rollback, rule: null, stage: null, values: { by: "ann", to: "shadow" } };
  assert.equal(incident.sayIncident(byHand), "checkout went from 25 % to 0 %; requests go on to be copied to the candidate. ann went back.");
});

test("an incident says over how long its figures are, and by whom it was", () => {
  assert.equal(incident.sayPaths(300), "Both arms over the last 5 min, the worst paths first");
  assert.equal(incident.sayPaths(null), "Both arms, the worst paths first");
  assert.equal(incident.sayWho({ rule: "p99 > 1s for 1m", values: {} }), "by rule p99 > 1s for 1m");
  assert.equal(incident.sayWho({ rule: null, values: { by: "ann" } }), "by operator ann");
});

test("an incident's values have the unit of its rule, and what is unknown is a dash", () => {
  const values = { unit: "ratio", value: 0.667, bound: 0.05, baseline: null, requests: { candidate: 21, baseline: 1059 } };
  assert.deepEqual(incident.listValues(values), [["value", "66.7 %", "5 %", "–"], ["requests", "21", "", "1,059"]]);
  assert.equal(incident.listValues(values, "error_rate > 5% for 5s, route orders")[0][0], "value over 5s");
  assert.match(incident.sayKeptAway([{ candidate: { kept_away: 1 } }, { candidate: null }]), /^1 request was kept away/);
  assert.equal(incident.sayKeptAway([{ candidate: { kept_away: 0 } }]), "");
});

test("samples of failures and of differences are told apart", () => {
  const { failed, differed } = incident.partSamples([{ kind: "5xx", status: 200, is_failed_over: true }, { kind: "value", field: "$.a" }]);
  assert.deepEqual(failed.map(incident.sayFailure), ["5xx; answered by the baseline with 200"]);
  assert.equal(differed.length, 1);
});

test("lines are those of an editor, and problems are found at theirs", () => {
  assert.deepEqual(splitLines("a\r\nb\n\n"), ["a", "b", ""]);
  assert.deepEqual(splitLines(""), [""]);
  assert.equal(groupByLine([{ line: 2 }, { line: 0 }, { line: 2 }]).get(2).length, 2);
  assert.equal(findOffset("ab\ncd\n", 2, 2), 4);
  assert.equal(findOffset("ab", 9, 9), 2);
  assert.equal(findOffset("ab", 0, 0), 0);
});

test("a draft's changes are told in words, and the same as what is in force is no change", () => {
  const nothing = { keys: 100, routes: [], routes_reordered: false, rollouts: [], backends: [], server: [] };
  assert.ok(movement.isSame(nothing));
  const change = { name: "more", kind: "changed", fields: ["match", "candidate"] };
  assert.ok(!movement.isSame({ ...nothing, routes_reordered: true }));
  assert.deepEqual(movement.listChanges({ ...nothing, routes: [change], server: ["listen"], tokens: ["jwks"] }).map((each) => `${each.thing} ${each.name}: ${each.text}`), ["route more: match, candidate", "server : listen", "jwt : jwks"]);
  assert.ok(!movement.isSame({ ...nothing, tokens: ["jwks"] }));
});

test("a route that gets other backends says who answers how many", () => {
  const change = { name: "orders", kind: "changed", fields: ["baseline"] };
  const moves = [{ route: "orders", before: "legacy", after: "new", keys: 75 }, { route: "orders", before: "new", after: "new", keys: 25 }, { route: "rest", before: "a", after: "b", keys: 1 }];
  const [told] = movement.listChanges({ keys: 100, routes: [change], routes_reordered: false, backends: [], server: [], moves });
  assert.equal(told.text, "baseline; 75 % legacy → new; 25 % stay on new");
  const shift = { kind: "removed", is_counted: false };
  assert.match(movement.sayShift(shift, 100), /routes are removed, too/);
  assert.deepEqual(movement.listCounts(shift, 100), []);
});

test("whom a draft moves is a share of all users", () => {
  const shift = { percent_before: 40, percent_after: 65, to_candidate: 25, to_baseline: 0, stay_candidate: 40, stay_baseline: 35, reshuffled_by: [] };
  assert.equal(movement.sayShift(shift, 100), "The share goes from 40 % to 65 %. Of all users move 25 % to the candidate.");
  assert.equal(movement.sayShift({ ...shift, percent_after: 40, to_candidate: 0 }, 100), "The share stays at 40 %. Nobody moves.");
  assert.deepEqual(movement.listCounts(shift, 100)[0], ["baseline → candidate", "25", "25 %"]);
  assert.equal(movement.sayReshuffle(shift), "");
  assert.match(movement.sayReshuffle({ reshuffled_by: ["salt", "key"] }), /salt and key changed.*leave it out/);
});

test("a draft says why an edit of a share moves nobody", () => {
  assert.match(movement.sayHeld({ state: "rolled_back", source: "file" }), /no edit undoes/);
  assert.match(movement.sayHeld({ state: "running", source: "operator" }), /whatever the file says/);
  assert.equal(movement.sayHeld({ state: "running", source: "plan" }), "");
});
