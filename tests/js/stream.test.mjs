import assert from "node:assert/strict";
import { test } from "node:test";

import { parseEvents, waitBefore } from "../../gateway/admin/static/lib/stream.js";

test("events are whole, and what is not whole yet waits for its rest", () => {
  const text = 'id: 7\nevent: event\ndata: {"id":7}\n\n: ping\n\nevent: status\ndata: {"version"';
  const { events, rest } = parseEvents(text);
  assert.deepEqual(events, [{ id: "7", name: "event", value: { id: 7 } }]);
  assert.deepEqual(parseEvents(`${rest}:"1"}\n\n`).events, [{ id: "", name: "status", value: { version: "1" } }]);
});

test("each try comes later than the one before, up to a bound", () => {
  const waits = [0, 1, 2, 10, 100].map((count) => waitBefore(count, 0.5));
  assert.deepEqual(waits, [500, 1000, 2000, 15_000, 15_000]);
});
