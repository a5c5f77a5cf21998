import assert from "node:assert/strict";
import { test } from "node:test";

import * as format from "../../gateway/admin/static/lib/format.js";
import { findRoute, link } from "../../gateway/admin/static/lib/route.js";
import * as words from "../../gateway/admin/static/lib/words.js";

test("numbers have separators, and what is unknown is a dash", () => {
  assert.equal(format.number(1240), "1,240");
  assert.equal(format.number(null), "–");
  assert.equal(format.plural(1, "request"), "1 request");
  assert.equal(format.plural(1240, "request"), "1,240 requests");
  assert.equal(format.plural(2, "match", "matches"), "2 matches");
});

test("rates are percentages with three digits, shares as they were written", () => {
  assert.equal(format.rate(0.0012), "0.12 %");
  assert.equal(format.rate(0), "0 %");
  assert.equal(format.rate(0.12345), "12.3 %");
  assert.equal(format.rate(null), "–");
  assert.equal(format.percent(25), "25 %");
  assert.equal(format.percent(0.01), "0.01 %");
});

test("latencies have the unit that makes them short", () => {
  assert.equal(format.ms(4.2149), "4.21 ms");
  assert.equal(format.ms(480.4), "480 ms");
  assert.equal(format.ms(1249), "1.25 s");
  assert.equal(format.ms(0), "0 ms");
  assert.equal(format.quantity(0.05, "ratio"), "5 %");
  assert.equal(format.quantity(300, "ms"), "300 ms");
  assert.equal(format.quantity(1240, "count"), "1,240");
  assert.equal(format.perSecond(12.34), "12.3/s");
});

test("spans have at most two units", () => {
  assert.equal(format.duration(0), "0 s");
  assert.equal(format.duration(45), "45 s");
  assert.equal(format.duration(200), "3 min 20 s");
  assert.equal(format.duration(3600), "1 h");
  assert.equal(format.duration(187_200), "2 d 4 h");
});

test("a time that has passed is told in one unit, steadily below a minute", () => {
  const now = Date.parse("2026-01-01T12:00:00Z");
  assert.equal(format.ago("2026-01-01T11:59:58Z", now), "just now");
  assert.equal(format.ago("2026-01-01T11:59:37Z", now), "20 s ago");
  assert.equal(format.ago("2026-01-01T11:57:00Z", now), "3 min ago");
  assert.equal(format.ago("2025-12-30T11:00:00Z", now), "2 d ago");
  assert.equal(format.ago("2026-01-01T12:10:00Z", now), "in 10 min");
});

test("a rule's text tells its metric and its unit", () => {
  assert.equal(format.unitOf("error_rate > baseline + 1% for 1m"), "ratio");
  assert.equal(format.unitOf("p99 > 2x baseline for 5m"), "ms");
  assert.equal(format.unitOf("p95 < 300ms"), "ms");
  assert.equal(format.unitOf("p99 > 2"), "count");
  assert.equal(format.unitOf("mismatches > 100 for 1h"), "count");
  assert.equal(format.metricOf("p99 > 2x baseline for 5m"), "p99");
  assert.equal(format.metricOf("webhook http://ci.internal/approve"), "");
});

test("a verdict says what it takes until it says more", () => {
  const rule = { when: "error_rate < 1% for 1m", verdict: "unknown", reason: "few_requests", needs: 1240 };
  assert.equal(words.sayVerdict(rule), "needs 1,240 more requests");
  assert.equal(words.sayVerdict({ ...rule, when: "mismatch_rate < 1%", needs: 1 }), "needs 1 more comparison");
  assert.equal(words.sayVerdict({ ...rule, needs: null }), "too few requests in its window");
  const gate = { ...rule, kind: "gate", reason: "little_evidence" };
  assert.equal(words.sayVerdict(gate), "needs 1,240 more requests: it rests on all since the stage began");
  assert.equal(words.sayVerdict({ ...gate, needs: null }), "what was seen since the stage began does not support it");
  assert.equal(words.sayVerdict({ ...gate, kind: "guard" }), "needs 1,240 more requests");
  assert.equal(words.sayVerdict({ ...rule, verdict: "broken", reason: "it answered 500", needs: null }), "it answered 500");
});

test("what a stage waits for is told in words", () => {
  const waits = ["hold", "p95 < 300ms for 1m", "approval"];
  assert.equal(words.join(words.listWaits(waits, 2880)), "48 min of its hold, the gate p95 < 300ms for 1m and a person's approval");
  assert.equal(words.sumWaits(waits, 2880), "hold, 48 min left, 1 gate, a person's approval");
});

test("only what fits how a rollout stands is offered", () => {
  const plan = { state: "running", source: "plan", stages: [{}, {}] };
  assert.deepEqual(words.listActions(plan), ["promote", "pause", "step-back", "rollback"]);
  assert.deepEqual(words.listActions({ ...plan, state: "pending" }), ["start", "rollback"]);
  assert.deepEqual(words.listActions({ ...plan, state: "rolled_back" }), ["resume"]);
  assert.deepEqual(words.listActions({ ...plan, stages: [] }), ["pause", "step-back", "rollback"]);
  assert.deepEqual(words.listActions({ ...plan, source: "operator" }), ["pause", "step-back", "rollback"]);
});

test("how a rollout stands is said by what drives it", () => {
  const rollout = { state: "running", mode: "live", source: "plan", stages: [{}], to_shadow: false };
  assert.match(words.sayStanding(rollout), /as its plan allows/);
  assert.match(words.sayStanding({ ...rollout, source: "operator" }), /the plan stands still/);
  assert.match(words.sayStanding({ ...rollout, source: "file", stages: [] }), /fixed share/);
  assert.match(words.sayStanding({ ...rollout, mode: "off" }), /mode off nobody/);
  assert.match(words.sayStanding({ ...rollout, state: "pending", read: false }), /^Not read from the store yet/);
  assert.deepEqual([{ ...rollout, stored: false }, rollout].map(words.sayUnstored).map(Boolean), [true, false]);
  assert.match(words.sayStanding({ ...rollout, state: "rolled_back", to_shadow: true }), /still copied/);
});

test("an impact says who moves where, as far as that is known", () => {
  const impact = { users: 1240, window_s: 3600, percent_before: 25, percent_after: 0, to_candidate: 0, to_baseline: 310 };
  assert.equal(words.sayImpact(impact),
    "The share goes from 25 % to 0 %. Of about 1,240 users seen in the last hour, about 310 move to the baseline.");
  assert.equal(words.sayImpact({ ...impact, users: null, to_baseline: null }),
    "The share goes from 25 % to 0 %. Of all users 25 % move to the baseline; how many were seen lately is not known.");
  assert.equal(words.sayImpact({ ...impact, percent_after: 25 }), "The share stays at 25 %: nobody moves.");
  assert.match(words.sayImpact({ ...impact, window_s: 200 }), /seen in the last 3 min 20 s/);
});

test("an impact names the cohorts that come and go, though the share stays", () => {
  const impact = { users: 9, window_s: 3600, percent_before: 0, percent_after: 0, to_candidate: 0, to_baseline: 0 };
  assert.equal(words.sayImpact({ ...impact, cohorts_before: ["internal"], cohorts_after: [] }),
    "The share stays at 0 %. The candidate no longer answers the cohort internal.");
  assert.equal(words.sayImpact({ ...impact, cohorts_before: ["internal"], cohorts_after: ["internal", "beta", "staff"] }),
    "The share stays at 0 %. The candidate answers the cohorts beta and staff, too: all users or its own share of them. Besides, it answers the cohort internal as before.");
});

test("what may have been done is not tried again unseen", () => {
  assert.equal(words.sayFault({ status: 409, message: "It is paused." }), "It is paused.");
  for (const status of [0, 503]) assert.match(words.sayFault({ status, message: "No answer." }), /^No answer. It may have been done/);
});

test("an address leads to its view, whatever the name is made of", () => {
  assert.equal(findRoute("").view, "overview");
  assert.equal(findRoute("#/rollouts/a%2Fb").params.name, "a/b");
  assert.equal(findRoute(link("rollouts", "a/b?c#d%")).params.name, "a/b?c#d%");
  assert.deepEqual(findRoute(link("differences", "orders", { path: "/a/{id}" })).params, { path: "/a/{id}", route: "orders" });
  assert.equal(findRoute("#/nowhere"), null);
  assert.equal(findRoute("#/rollouts/"), null);
});
