/** Finding events in the audit log. Reading further back goes by their ids, as the API reads forward only. */

import { get } from "./api.js";

const FIRST_SPAN = 1000;
const LARGEST_SPAN = 64_000;
const PAGE = 1000;
/** After so many questions it is told what was found, be it nothing. */
const MOST_QUESTIONS = 12;

/** What is looked for: empty texts do not restrict. */
export const NO_WISH = { rollout: "", kind: "", actor: "", text: "" };

/** Whether an event is one of those that are looked for. */
export function isWanted(event, { rollout, kind, actor, text }) {
  if (rollout && event.rollout !== rollout) return false;
  if (kind && event.kind !== kind) return false;
  if (actor && event.actor.type !== actor) return false;
  return !text || wordsOf(event).includes(text.toLowerCase());
}

function wordsOf(event) {
  return [event.rollout, event.kind, event.actor.name, event.reason, event.revision, JSON.stringify(event.inputs)].join("\n").toLowerCase();
}

/** Both lists' events, each once, the newest last. `known` itself when nothing is new. */
export function mergeEvents(known, more) {
  const byId = new Map(known.map((event) => [event.id, event]));
  for (const event of more) byId.set(event.id, event);
  return byId.size === known.length ? known : [...byId.values()].sort((a, b) => a.id - b.id);
}

/** The different values that events have there, in the order of the alphabet. */
export function listValues(events, pick) {
  return [...new Set(events.map(pick).filter(Boolean))].sort();
}

/**
 * Read backwards from before the event `end`, until one that is wanted is found or the log's beginning.
 * @returns {Promise<{items: object[], end: number}>} what was read, wanted or not, and how far: 0 is the beginning
 */
export async function readBack(end, wish) {
  const items = [];
  let span = FIRST_SPAN;
  for (let asked = 0; asked < MOST_QUESTIONS && end > 0; asked += 1) {
    const after = Math.max(0, end - 1 - span);
    const found = await readSpan(after, end, wish.rollout);
    items.push(...found);
    end = after ? after + 1 : 0;
    if (found.some((event) => isWanted(event, wish))) break;
    span = Math.min(LARGEST_SPAN, span * 4);
  }
  return { items, end };
}

/** All events of a rollout, or of any, with ids above `after` and below `end`. */
async function readSpan(after, end, rollout) {
  const items = [];
  while (after !== null && after < end - 1) {
    const page = await get("/events", { rollout, after, limit: PAGE });
    items.push(...page.items.filter((event) => event.id < end));
    after = page.next;
  }
  return items;
}
