/**
 * What the page knows of the gateway now, kept up to date by the stream; and the hooks by which components follow it.
 *
 * The state is replaced, never changed, and of an array's items those that are the same stay the same objects: who
 * compares by identity draws only what is new.
 */

import { Problem, get, signIn, whenUnauthorized } from "./api.js";
import { useEffect, useRef, useState } from "./preact.js";
import { Stream } from "./stream.js";

/** So many of the newest events are kept. */
export const EVENTS_KEPT = 500;

const listeners = new Set();

let state = {
  /** `state`: connecting, live, lost; `heardAt` and `retryAt` in ms since the epoch; `reason` of the gateway's refusal. */
  connection: { state: "connecting", heardAt: null, retryAt: null, reason: "" },
  /** As `/api/v1/status`; null before it is known. */
  status: null,
  /** A row per rollout (`OverviewRow`), with `receivedAt` in ms; null before they are known. */
  rows: null,
  /** Newest last. */
  events: [],
  /** Whether the events that were there before the page was opened are among them. */
  hasHistory: false,
  needsToken: false,
  /** Grows with each sign-in: what was refused before is worth asking again. */
  session: 0,
};

/** Whether the next rows are all that there are: the first on a connection. */
let isAnew = true;
/** Whether the events of before are on their way. */
let isReading = false;

/** So long a page may be out of sight before it rests. */
const REST_MS = 10_000;
let restTimer = 0;

const stream = new Stream({ onEvent: take, onState: hearState });

/** What is known now. */
export function getState() {
  return state;
}

/** Call `listener` after each change. Returns the function that ends it. */
export function subscribe(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** Follow a part of the state: the component is drawn again when `select(state)` is another value. */
export function useLive(select) {
  const chosen = useRef(select);
  chosen.current = select;
  const [, redraw] = useState(null);
  const shown = useRef();
  shown.current = select(state);
  useEffect(() => {
    const look = () => { if (!Object.is(chosen.current(state), shown.current)) redraw({}); };
    look();
    return subscribe(look);
  }, []);
  return shown.current;
}

/**
 * Ask the API for `path` now, again every `everySeconds` (0: only once) while the page is seen, and at each sign-in.
 * An empty path asks for nothing. The last good value stays while another is on its way or fails.
 * @returns {{value: any, problem: Problem | null, isLoading: boolean, reload: () => void, put: (value: any) => void}}
 */
export function useFetched(path, params = {}, everySeconds = 0) {
  const session = useLive((known) => known.session);
  const [answer, setAnswer] = useState({ key: "", value: null, problem: null });
  const key = path && JSON.stringify([path, params]);
  const load = useRef(() => {});
  useEffect(() => {
    if (!path) return undefined;
    const poll = new Poll(path, params, everySeconds, (news) => setAnswer((old) => merge(old, key, news)));
    load.current = () => poll.ask();
    poll.begin();
    return () => poll.end();
  }, [key, session, everySeconds]);
  const isCurrent = answer.key === key;
  return {
    value: isCurrent ? answer.value : null,
    problem: isCurrent ? answer.problem : null,
    isLoading: Boolean(path) && !isCurrent,
    reload: () => load.current(),
    put: (value) => setAnswer({ key, value, problem: null }),
  };
}

function merge(old, key, news) {
  const value = news.problem && old.key === key ? old.value : news.value;
  return { key, value, problem: news.problem };
}

/** Asks again and again, one question at a time. */
class Poll {
  constructor(path, params, everySeconds, onAnswer) {
    Object.assign(this, { path, params, everySeconds, onAnswer, timer: 0, aborter: null });
  }

  begin() {
    this.onSeen = () => { if (!document.hidden) this.ask(); };
    document.addEventListener("visibilitychange", this.onSeen);
    this.ask();
  }

  end() {
    document.removeEventListener("visibilitychange", this.onSeen);
    clearTimeout(this.timer);
    this.aborter?.abort();
  }

  async ask() {
    clearTimeout(this.timer);
    this.aborter?.abort();
    const aborter = this.aborter = new AbortController();
    try {
      this.onAnswer({ value: await get(this.path, this.params, aborter.signal), problem: null });
    } catch (error) {
      if (aborter.signal.aborted) return;
      this.onAnswer({ value: null, problem: error instanceof Problem ? error : new Problem({ title: String(error) }) });
    }
    if (this.everySeconds && !document.hidden) this.timer = setTimeout(() => this.ask(), this.everySeconds * 1000);
  }
}

/** Begin to follow the gateway. */
export function begin() {
  whenUnauthorized(() => change({ needsToken: true }));
  window.addEventListener("online", reconnect);
  document.addEventListener("visibilitychange", followSight);
  followSight();
}

/** A page that is not seen rests: browsers have six connections for all their tabs, and the seventh would wait for ever. */
function followSight() {
  clearTimeout(restTimer);
  if (document.hidden) restTimer = setTimeout(() => stream.close(), REST_MS);
  else if (stream.aborter === null) stream.open();
}

/** Try to connect now, if it is not connected. */
export function reconnect() {
  if (state.connection.state === "lost") stream.open();
}

/** Show the API this token from now on, and ask anew. */
export function enter(token) {
  signIn(token);
  change({ needsToken: false, session: state.session + 1 });
  stream.failures = 0;
  stream.open();
}

function hearState(connection) {
  isAnew = true;
  change({ connection: { reason: "", ...connection, heardAt: stream.heardAt } });
}

function take(name, value) {
  if (name === "status") change({ status: value });
  if (name === "status" && value.store.ok && state.rows && !state.hasHistory) loadHistory(state.rows); // it was away
  if (name === "event") change({ events: addEvents(state.events, [value]) });
  if (name === "overview") takeRows(value);
}

function takeRows({ rows, gone = [] }) {
  change({ rows: mergeRows(isAnew ? [] : state.rows, rows, gone, Date.now()) });
  if (isAnew && !state.hasHistory) loadHistory(rows);
  isAnew = false;
}

/** The rows with those that changed in their places, new ones at the end, and without those that are gone. */
export function mergeRows(known, changed, gone, receivedAt) {
  const byName = new Map(known.map((row) => [row.name, row]));
  for (const row of changed) byName.set(row.name, { ...row, receivedAt });
  for (const name of gone) byName.delete(name);
  return [...byName.values()];
}

/** Events by id, each once, the newest `EVENTS_KEPT`. */
export function addEvents(known, more) {
  const seen = new Set(known.map((event) => event.id));
  const fresh = more.filter((event) => !seen.has(event.id));
  if (!fresh.length) return known;
  const isInOrder = !known.length || fresh.every((event) => event.id > known.at(-1).id);
  const all = isInOrder ? [...known, ...fresh] : [...known, ...fresh].sort((a, b) => a.id - b.id);
  return all.slice(-EVENTS_KEPT);
}

/** The log is read oldest first: the stream says where its end is, or, as long as it can't, the rollouts' last events. */
async function loadHistory(rows) {
  if (isReading) return;
  isReading = true;
  const newest = Number(stream.lastId) || Math.max(0, ...rows.map((row) => row.last_event?.id ?? 0));
  try {
    const found = await get("/events", { after: Math.max(0, newest - EVENTS_KEPT), limit: 1000 });
    change({ events: addEvents(state.events, found.items), hasHistory: true });
  } catch (error) {
    if (!(error instanceof Problem)) throw error; // the store can't be read: the status says so
  } finally {
    isReading = false;
  }
}

function change(news) {
  state = { ...state, ...news };
  for (const listener of [...listeners]) listener();
}
