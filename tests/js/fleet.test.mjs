/** What a page says of the fleet. */

import assert from "node:assert/strict";
import test from "node:test";

import { countJournaled, isKnown, isSilent, listJournals, listSwitches, sayFigures, sayFleet, sayPart, toneOfRole } from "../../gateway/admin/static/lib/fleet.js";

test("a gateway's part is said in words, and that nobody leads", () => {
  assert.equal(sayPart({ role: "leader", leader: "a" }), "this one leads");
  assert.equal(sayPart({ role: "follower", leader: "b" }), "b leads, this one follows");
  assert.equal(sayPart({ role: "follower", leader: null }), "nobody leads");
  assert.equal(sayPart({ role: "degraded", leader: null }), "this one is degraded");
});

test("the fleet is said in a few words, but not by one that hears of nobody", () => {
  assert.equal(sayFleet({ role: "leader", leader: "a", replicas: 3 }), "3 gateways, this one leads");
  assert.equal(sayFleet({ role: "degraded", leader: null, replicas: 1 }), "this gateway is degraded");
});

test("only in a fleet is it said whose figures are shown", () => {
  assert.equal(sayFigures(null), "");
  assert.match(sayFigures({ role: "follower", replicas: 3 }), /whole fleet \(3 gateways\)/);
  assert.match(sayFigures({ role: "degraded", replicas: 1 }), /its own requests only/);
});

test("silence is worth a word after five seconds, and where it is known", () => {
  assert.deepEqual([null, 0.4, 5, 5.1].map((seconds) => isSilent({ silent_s: seconds })), [false, false, false, true]);
});

test("how a replica does is known of those that report, and of oneself", () => {
  const rows = [{ silent_s: null }, { silent_s: 0.4 }, { silent_s: 5.1 }, { silent_s: 60, isOwn: true }];
  assert.deepEqual(rows.map(isKnown), [false, true, false, true]);
});

test("emergency switches are said where there are any", () => {
  const replicas = [{ replica: "a" }, { replica: "b", switches: ["checkout", "search"] }, { replica: "c", switches: ["all"] }];
  assert.deepEqual(listSwitches(replicas), ["b holds back checkout and search there", "c holds back all rollouts there"]);
});

test("what waits in a journal is said with what to do, once the candidate answers nobody", () => {
  const replicas = [{ replica: "a", admin: "http://a:9900" }, {
    replica: "b", admin: "http://b:9900",
    journal: [{ rollout: "checkout", writes: 1204, is_live: false }, { rollout: "search", writes: 1, is_live: true }],
  }];
  assert.deepEqual(listJournals(replicas), [
    { said: "1,204 writes of checkout on b", command: "crossfade reconcile checkout --admin http://b:9900" },
  ]);
  assert.deepEqual(replicas.map(countJournaled), [0, 1205]);
});

test("a role that this page does not know has a tone, too", () => {
  assert.deepEqual(["leader", "follower", "degraded", "observer"].map(toneOfRole), ["going", "ok", "broken", "idle"]);
});
