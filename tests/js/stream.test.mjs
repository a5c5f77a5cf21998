import assert from "node:assert/strict";
import { test } from "node:test";

import { Stream, parseEvents, waitBefore } from "../../gateway/admin/static/lib/stream.js";

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

/** What the gateway is asked while `use` runs; it answers with `texts`, one for each connection. */
async function follow(texts, use) {
  const before = globalThis.fetch;
  const asked = [];
  globalThis.fetch = async (address) => {
    asked.push(address);
    const text = texts.shift();
    return text === undefined ? new Response('{"detail":"64 viewers are there already"}', { status: 503 }) : new Response(text);
  };
  const states = [];
  const lost = () => new Promise((resolve) => { found = resolve; });
  let found = () => {};
  const stream = new Stream({ onEvent: () => {}, onState: (state) => { states.push(state); if (state.state === "lost" && state.retryAt) found(); } });
  try {
    await use(stream, lost, states);
  } finally {
    stream.close();
    globalThis.fetch = before;
  }
  return asked;
}

test("who loses the connection before there was any event goes on from where it began", async () => {
  const asked = await follow(['id: 41\nevent: overview\ndata: {"rows":[],"gone":[]}\n\n', ""], async (stream, lost) => {
    for (let times = 0; times < 2; times += 1) {
      const isLost = lost();
      stream.open();
      await isLost;
    }
  });
  assert.deepEqual(asked, ["api/v1/stream", "api/v1/stream?after=41"]);
});

test("a gateway that refuses is not told to be away, and what is seen is as of its last word", async () => {
  await follow([": ping\n\n"], async (stream, lost, states) => {
    for (const heard of [false, true]) {
      const isLost = lost();
      assert.equal(stream.heardAt !== null, heard);
      stream.open();
      await isLost;
    }
    assert.deepEqual(states.filter((each) => each.retryAt).map((each) => each.reason), ["", "64 viewers are there already"]);
  });
});
