/**
 * Server-sent events by fetch: EventSource can't send the Authorization header. Reconnects by itself, at first soon and
 * then ever later, and goes on after the last event that it has seen.
 */

import { listHeaders, locate, readProblem, writeQuery } from "./api.js";

const FIRST_RETRY_MS = 500;
const LAST_RETRY_MS = 15_000;
/** The gateway speaks at least every 15 s; after so long without a word the connection is dead. */
const SILENCE_MS = 40_000;

/**
 * Split what has come so far into whole events (HTML, section 9.2.6) and the rest.
 * @returns {{events: {id: string, name: string, value: object}[], rest: string}}
 */
export function parseEvents(text) {
  const blocks = text.split("\n\n");
  const rest = blocks.pop();
  const events = blocks.map(parseBlock).filter((event) => event !== null);
  return { events, rest };
}

function parseBlock(block) {
  const fields = { id: "", event: "message", data: "" };
  for (const line of block.split("\n")) {
    const colon = line.indexOf(": ");
    if (colon > 0) fields[line.slice(0, colon)] = line.slice(colon + 2);
  }
  return fields.data ? { id: fields.id, name: fields.event, value: JSON.parse(fields.data) } : null;
}

/** How long to wait before attempt `count` (from 0), in ms; `chance` from 0 to 1 spreads many viewers. */
export function waitBefore(count, chance) {
  return Math.min(LAST_RETRY_MS, FIRST_RETRY_MS * 2 ** count) * (0.75 + chance / 2);
}

/**
 * The gateway's stream. `onState` hears `connecting`, `live` and `lost`; the latter with when it is tried again, and why
 * it was refused if it was. `heardAt` is when the gateway's last word came, in ms; null before the first.
 */
export class Stream {
  constructor({ onEvent, onState }) {
    Object.assign(this, { onEvent, onState, lastId: "", heardAt: null, failures: 0, timer: 0, aborter: null });
  }

  /** Connect now, whatever it is waiting for. */
  open() {
    this.close();
    this.aborter = new AbortController();
    this.onState({ state: this.failures ? "lost" : "connecting", retryAt: null });
    const aborter = this.aborter;
    this.watch(aborter); // of an address that takes a connection and says nothing, too
    this.run(aborter).catch((error) => this.lose(aborter, error));
  }

  /** Stop. */
  close() {
    clearTimeout(this.timer);
    clearTimeout(this.watchdog);
    this.aborter?.abort();
    this.aborter = null;
  }

  async run(aborter) {
    const path = locate(`/stream${writeQuery({ after: this.lastId })}`);
    const response = await fetch(path, { headers: listHeaders(), signal: aborter.signal, cache: "no-store" });
    if (!response.ok) throw await readProblem(response);
    this.failures = 0;
    this.onState({ state: "live", retryAt: null });
    await this.read(response.body.getReader(), aborter);
    throw new Error("the stream ended");
  }

  async read(reader, aborter) {
    const decoder = new TextDecoder();
    for (let rest = ""; ;) {
      this.watch(aborter);
      const { done, value } = await reader.read();
      if (done) return;
      this.heardAt = Date.now();
      const parsed = parseEvents(rest + decoder.decode(value, { stream: true }));
      rest = parsed.rest;
      for (const event of parsed.events) this.take(event);
    }
  }

  take(event) {
    if (event.id) this.lastId = event.id;
    this.onEvent(event.name, event.value);
  }

  watch(aborter) {
    clearTimeout(this.watchdog);
    this.watchdog = setTimeout(() => aborter.abort(new Error("silence")), SILENCE_MS);
  }

  lose(aborter, error) {
    if (this.aborter !== aborter) return; // it was closed, or opened anew
    const wait = waitBefore(this.failures, Math.random());
    this.failures += 1;
    this.close();
    if (error.status === 401) return; // signing in opens it again
    this.onState({ state: "lost", retryAt: Date.now() + wait, reason: error.status ? error.message : "" });
    this.timer = setTimeout(() => this.open(), wait);
  }
}
