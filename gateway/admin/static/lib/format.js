/**
 * Numbers with their units, and the words of the contract for people. Pure: what is unknown (null) is a dash.
 */

export const DASH = "–";

const NUMBERS = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const FINE = new Intl.NumberFormat("en", { maximumSignificantDigits: 3 });

/** `1,240`. */
export function number(value) {
  return value === null || value === undefined ? DASH : NUMBERS.format(value);
}

/** `1 request`, `1,240 requests`. */
export function plural(count, one, many = `${one}s`) {
  return `${number(count)} ${Math.abs(count) === 1 ? one : many}`;
}

/** A ratio (0 to 1) as a percentage: `0.12 %`, `12.3 %`. */
export function rate(value) {
  return value === null || value === undefined ? DASH : `${FINE.format(value * 100)} %`;
}

/** A percentage (0 to 100): `25 %`, `0.01 %`. */
export function percent(value) {
  return value === null || value === undefined ? DASH : `${Number(value.toFixed(4))} %`;
}

/** Milliseconds: `4.21 ms`, `480 ms`, `1.25 s`. */
export function ms(value) {
  if (value === null || value === undefined) return DASH;
  if (value >= 1000) return `${FINE.format(value / 1000)} s`;
  return `${value >= 100 ? NUMBERS.format(value) : FINE.format(value)} ms`;
}

/** Requests per second: `12.3/s`. */
export function perSecond(value) {
  if (value === null || value === undefined) return DASH;
  return `${value >= 100 ? NUMBERS.format(value) : FINE.format(value)}/s`;
}

/** A value in the API's unit: `ratio`, `ms` or `count`. */
export function quantity(value, unit) {
  if (value === null || value === undefined) return DASH;
  if (unit === "ratio") return rate(value);
  return unit === "ms" ? ms(value) : Number.isInteger(value) ? number(value) : FINE.format(value);
}

const SPANS = [["d", 86_400], ["h", 3600], ["min", 60], ["s", 1]];

/** Seconds in at most two units: `45 s`, `3 min 20 s`, `2 d 4 h`. */
export function duration(seconds) {
  if (seconds === null || seconds === undefined) return DASH;
  const whole = Math.max(0, Math.round(seconds));
  const at = Math.max(0, SPANS.findIndex(([, size]) => whole >= size));
  const [unit, size] = whole ? SPANS[at] : SPANS.at(-1);
  const [lesser, lesserSize] = SPANS[at + 1] ?? ["", 1];
  const rest = whole && lesser ? Math.floor((whole % size) / lesserSize) : 0;
  return `${Math.floor(whole / size)} ${unit}${rest ? ` ${rest} ${lesser}` : ""}`;
}

/** How long before `now` (ms since the epoch) a time (RFC 3339) was: `just now`, `3 min ago`, `2 d ago`. */
export function ago(time, now) {
  const seconds = (now - Date.parse(time)) / 1000;
  if (seconds < 5) return seconds < -5 ? `in ${coarse(-seconds)}` : "just now";
  return `${coarse(seconds)} ago`;
}

/** Seconds in one unit, so that it does not change all the time: `3 min`, below a minute in steps of five. */
export function coarse(seconds) {
  if (seconds < 60) return `${Math.max(5, Math.floor(seconds / 5) * 5)} s`;
  const [unit, size] = SPANS.find(([, each]) => seconds >= each);
  return `${Math.floor(seconds / size)} ${unit}`;
}

const CLOCK = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const DAY = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short" });
const FULL = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "long" });

/** The viewer's clock: `15:10:22`, with the day where it is not that of `now`: `20 Nov, 15:10:22`. */
export function clock(time, now) {
  const at = new Date(time);
  const isToday = new Date(now).toDateString() === at.toDateString();
  return isToday ? CLOCK.format(at) : `${DAY.format(at)}, ${CLOCK.format(at)}`;
}

/** The zone of the viewer's clock: `UTC`, `GMT+1`. */
export function zone() {
  const parts = new Intl.DateTimeFormat("en-GB", { timeZoneName: "short" }).formatToParts(new Date());
  return parts.find((part) => part.type === "timeZoneName").value;
}

/** With day and zone: `21 Nov 2026, 15:10:22 UTC`. */
export function fullTime(time) {
  return FULL.format(new Date(time));
}

/** What the values of the rule with this text are: `ratio`, `ms` or `count`. */
export function unitOf(rule) {
  if (/^\w+_rate [<>]=? (.*baseline|[\d.]+ ?%)/.test(rule)) return "ratio";
  return /^p\d\d [<>]=? (.*baseline|[\d.]+ ?(ms|s|m|h)\b)/.test(rule) ? "ms" : "count";
}

/** The metric that a rule measures, such as `p99`; empty for one that is asked of somebody else. */
export function metricOf(rule) {
  return /^(\w+) [<>]=? /.exec(rule)?.[1] ?? "";
}
