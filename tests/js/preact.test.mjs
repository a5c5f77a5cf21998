import assert from "node:assert/strict";
import { test } from "node:test";

import { getOperator, listHeaders, setOperator, signIn } from "../../gateway/admin/static/lib/api.js";
import { pickRows, Reading } from "../../gateway/admin/static/lib/chart.js";
import { html } from "../../gateway/admin/static/lib/preact.js";
import { sortRows } from "../../gateway/admin/static/parts/table.js";
import { addEvents, mergeRows } from "../../gateway/admin/static/lib/live.js";

test("nothing that was drawn is kept to be drawn again, for it would keep its whole tree", () => {
  const draw = () => html`<p><b>always the same</b></p>`;
  assert.notEqual(draw(), draw());
  assert.notEqual(draw().props.children, draw().props.children);
});

test("values are text, whatever they look like", () => {
  const text = "<img src=x onerror=alert(1)>";
  assert.equal(html`<p>${text}</p>`.props.children, text);
});

test("rows keep their places, and those that did not change stay the same objects", () => {
  const known = mergeRows([], [{ name: "a", percent: 1 }, { name: "b", percent: 2 }, { name: "c", percent: 3 }], [], 1);
  const now = mergeRows(known, [{ name: "b", percent: 20 }, { name: "d", percent: 4 }], ["c"], 2);
  assert.deepEqual(now.map((row) => row.name), ["a", "b", "d"]);
  assert.equal(now[0], known[0]);
  assert.deepEqual(now[1], { name: "b", percent: 20, receivedAt: 2 });
});

test("events are in order and each there once", () => {
  const known = addEvents([], [{ id: 3 }, { id: 5 }]);
  assert.equal(addEvents(known, [{ id: 5 }]), known);
  assert.deepEqual(addEvents(known, [{ id: 4 }, { id: 3 }]).map((event) => event.id), [3, 4, 5]);
});

test("what is unknown is sorted last, either way", () => {
  const columns = [{ key: "p99", by: (row) => row.p99 }];
  const rows = [{ p99: 2 }, { p99: null }, { p99: 1 }];
  assert.deepEqual(sortRows(rows, columns, { key: "p99", isDown: false }).map((row) => row.p99), [1, 2, null]);
  assert.deepEqual(sortRows(rows, columns, { key: "p99", isDown: true }).map((row) => row.p99), [2, 1, null]);
  assert.equal(sortRows(rows, columns, null), rows);
});

test("a chart reads what is under the pointer, and what is known last where there is none", () => {
  const series = { unit: "ms", times: ["2026-01-01T00:00:00Z", "2026-01-01T00:00:05Z"], candidate: [4, null], baseline: [2, 3] };
  const read = (index) => JSON.stringify(Reading({ series, index }));
  assert.match(read(0), /:00:00.*"4 ms".*"2 ms"/);
  assert.match(read(null), /"4 ms".*"3 ms"/);
});

test("a name or token with accents does not make headers that no call can carry", () => {
  setOperator("J\u00f6rg \u0141");
  signIn(" \u0142\u00fc ");
  assert.equal(getOperator(), "");
  assert.equal(Buffer.from(new Headers(listHeaders()).get("Authorization"), "latin1").toString(), "Bearer \u0142\u00fc");
  setOperator("ann@example.com");
  assert.equal(getOperator(), "ann@example.com");
  signIn("");
});

test("a chart's table shows of each part of the time what is known", () => {
  const times = Array.from({ length: 24 }, (_, at) => `t${at}`);
  const none = times.map(() => null);
  const series = { times, candidate: none.with(4, 0.1), baseline: none.with(18, 0.2) };
  assert.deepEqual(pickRows(series), [23, 21, 19, 17, 15, 13, 11, 9, 7, 5, 3, 1].map((at) => (at === 5 ? 4 : at === 19 ? 18 : at)));
});
