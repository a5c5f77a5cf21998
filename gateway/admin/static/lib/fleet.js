/** A gateway's part in its fleet, in words. Pure. */

import { plural } from "./format.js";
import { join } from "./words.js";

/** Every role with its tone (a colour and a shape). */
const TONES = { alone: "idle", leader: "going", follower: "ok", degraded: "broken" };

/** The tone of a role, also of one that this page does not know. */
export function toneOfRole(role) {
  return TONES[role] ?? "idle";
}

/**
 * What a gateway does in its fleet, and for whom.
 * @param {{role: string, leader: string | null}} fleet
 */
export function sayPart({ role, leader }) {
  if (role === "leader") return "this one leads";
  if (role !== "follower") return `this one is ${role}`;
  return leader ? `${leader} leads, this one follows` : "nobody leads";
}

/**
 * The fleet in a few words. One that is degraded hears of nobody else.
 * @param {{role: string, leader: string | null, replicas: number}} fleet
 */
export function sayFleet(fleet) {
  return fleet.role === "degraded" ? "this gateway is degraded" : `${plural(fleet.replicas, "gateway")}, ${sayPart(fleet)}`;
}

/**
 * Whose figures a rollout's page shows: what the rules go by, and what the charts do. Empty for a gateway that is alone.
 * @param {{role: string, replicas: number} | null} fleet
 */
export function sayFigures(fleet) {
  if (!fleet) return "";
  if (fleet.role === "degraded") return "This gateway is degraded: rules, charts and paths show its own requests only.";
  return `Rules show the requests of the whole fleet (${plural(fleet.replicas, "gateway")}), charts and paths those of this gateway.`;
}

/**
 * Which gateways hold rollouts back by emergency switches in their environment, a sentence each.
 * @param {{replica: string, switches?: string[]}[]} replicas
 */
export function listSwitches(replicas) {
  return replicas.filter(({ switches }) => switches?.length)
    .map(({ replica, switches }) => `${replica} holds back ${switches.includes("all") ? "all rollouts" : join(switches)} there`);
}

/** How many writes a gateway's journal holds that only the candidate took. */
export function countJournaled({ journal = [] }) {
  return journal.reduce((sum, { writes }) => sum + writes, 0);
}

/**
 * What is to be reconciled, now that the candidate answers nobody there any more, and the command that does it.
 * @param {{replica: string, admin: string, journal?: {rollout: string, writes: number, is_live: boolean}[]}[]} replicas
 */
export function listJournals(replicas) {
  return replicas.flatMap(({ replica, admin, journal = [] }) => journal.filter(({ is_live: isLive }) => !isLive).map(({ rollout, writes }) => ({
    said: `${plural(writes, "write")} of ${rollout} on ${replica}`,
    command: `crossfade reconcile ${rollout} --admin ${admin}`,
  })));
}

/** For how long nobody has heard of a replica, where that is worth a word; it reports each second. */
export function isSilent({ silent_s: seconds }) {
  return seconds !== null && seconds > 5;
}

/** Whether it is known how a replica does: a gateway knows itself, and of others who report. */
export function isKnown(replica) {
  return Boolean(replica.isOwn) || (replica.silent_s !== null && !isSilent(replica));
}
