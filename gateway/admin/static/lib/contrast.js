/**
 * Two JSON values side by side, line by line, as pretty JSON: what is alike stands on the same line. Pure.
 *
 * Members are paired by name, elements of arrays so that as many as possible are alike, the others by their place.
 */

/** A side that has nothing there, which is not the same as null. */
export const ABSENT = Symbol("absent");

/** Arrays whose lengths multiply to more are paired by place. */
const MOST_PAIRS = 40_000;

/**
 * @typedef {{depth: number, before: string, changed: string, after: string}} Line `changed` is what is to be marked
 * @typedef {{isSame: boolean, left: Line | null, right: Line | null}} Row a null side has nothing on that line
 * @returns {Row[]}
 */
export function contrast(baseline, candidate) {
  return pairValues([baseline, candidate], 0, "", ["", ""]);
}

/** `ends` are what follows each side's last line: a comma where there is more. */
function pairValues([a, b], depth, lead, ends) {
  if (a === ABSENT || b === ABSENT) return pairAlone([a, b], depth, lead, ends);
  if (isAlike(a, b)) return pairAlike(a, depth, lead, ends);
  if (isMapping(a) && isMapping(b)) return wrap("{", "}", pairMembers(a, b, depth + 1), depth, lead, ends);
  if (Array.isArray(a) && Array.isArray(b)) return wrap("[", "]", pairElements(a, b, depth + 1), depth, lead, ends);
  const [left, right] = [write(a, depth, lead, ends[0]), write(b, depth, lead, ends[1])];
  return typeof a === "string" && typeof b === "string" ? pairTexts(left[0], right[0]) : pairLines(left.map(markAll), right.map(markAll));
}

function pairAlone([a, b], depth, lead, ends) {
  const left = a === ABSENT ? [] : write(a, depth, lead, ends[0]);
  const right = b === ABSENT ? [] : write(b, depth, lead, ends[1]);
  return pairLines(left.map(markAll), right.map(markAll));
}

function pairAlike(value, depth, lead, ends) {
  const left = write(value, depth, lead, ends[0]);
  const right = write(value, depth, lead, ends[1]);
  return left.map((line, at) => ({ isSame: true, left: line, right: right[at] }));
}

/** Of two texts only what differs in them is marked; half a number says nothing. */
function pairTexts(left, right) {
  const [a, b] = markChanged(left, right);
  return pairLines([a], [b]);
}

function pairLines(left, right) {
  const count = Math.max(left.length, right.length);
  return Array.from({ length: count }, (_, at) => ({ isSame: false, left: left[at] ?? null, right: right[at] ?? null }));
}

function wrap(open, close, rows, depth, lead, ends) {
  const first = makeLine(depth, lead + open);
  const [left, right] = ends.map((end) => makeLine(depth, close + end));
  return [{ isSame: true, left: first, right: first }, ...rows, { isSame: true, left, right }];
}

function pairMembers(a, b, depth) {
  const lasts = [a, b].map((side) => Object.keys(side).at(-1));
  const names = [...new Set([...Object.keys(a), ...Object.keys(b)])];
  return names.flatMap((name) => {
    const sides = [a, b].map((side) => (Object.hasOwn(side, name) ? side[name] : ABSENT));
    return pairValues(sides, depth, `${JSON.stringify(name)}: `, lasts.map((last) => (last === name ? "" : ",")));
  });
}

function pairElements(a, b, depth) {
  return pairPlaces(a, b).flatMap(([at, bt]) => {
    const sides = [at === null ? ABSENT : a[at], bt === null ? ABSENT : b[bt]];
    return pairValues(sides, depth, "", [at === a.length - 1 ? "" : ",", bt === b.length - 1 ? "" : ","]);
  });
}

/** Which place of the one array belongs to which of the other; null to none. */
function pairPlaces(a, b) {
  const places = [];
  let [at, bt] = [0, 0];
  for (const [nextA, nextB] of [...findAlike(a, b), [a.length, b.length]]) {
    for (; at < nextA || bt < nextB; at += 1, bt += 1) places.push([at < nextA ? at : null, bt < nextB ? bt : null]);
    if (nextA < a.length) places.push([nextA, nextB]);
    [at, bt] = [nextA + 1, nextB + 1];
  }
  return places;
}

/** A longest common subsequence, as pairs of places. */
function findAlike(a, b) {
  if (a.length * b.length > MOST_PAIRS) return [];
  const [left, right] = [a.map(spell), b.map(spell)];
  const lengths = measureCommon(left, right);
  const pairs = [];
  for (let at = 0, bt = 0; at < left.length && bt < right.length;) {
    if (left[at] === right[bt]) pairs.push([at++, bt++]);
    else if (lengths[at + 1][bt] >= lengths[at][bt + 1]) at += 1;
    else bt += 1;
  }
  return pairs;
}

/** By places in both: how long the longest common subsequence of what follows is. */
function measureCommon(left, right) {
  const lengths = Array.from({ length: left.length + 1 }, () => new Array(right.length + 1).fill(0));
  for (let at = left.length - 1; at >= 0; at -= 1) {
    for (let bt = right.length - 1; bt >= 0; bt -= 1) {
      lengths[at][bt] = left[at] === right[bt] ? lengths[at + 1][bt + 1] + 1 : Math.max(lengths[at + 1][bt], lengths[at][bt + 1]);
    }
  }
  return lengths;
}

function isMapping(value) {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isAlike(a, b) {
  return spell(a) === spell(b);
}

/** The value as a text that is the same for the same members in any order. */
function spell(value) {
  return JSON.stringify(value, (_, each) => (isMapping(each) ? Object.fromEntries(Object.entries(each).sort(([a], [b]) => (a < b ? -1 : 1))) : each));
}

/** A string in JSON has no line breaks of its own: each line is one of the layout. */
function write(value, depth, lead, end) {
  const lines = (lead + JSON.stringify(value, null, 1) + end).split("\n");
  return lines.map((line) => {
    const text = line.trimStart();
    return makeLine(depth + line.length - text.length, text);
  });
}

function makeLine(depth, text) {
  return { depth, before: text, changed: "", after: "" };
}

function markAll(line) {
  return { ...line, before: "", changed: line.before };
}

/** Mark what lies between the common beginning and the common end; whole characters only. */
function markChanged(left, right) {
  const [a, b] = [[...left.before], [...right.before]];
  const most = Math.min(a.length, b.length);
  let start = 0;
  while (start < most && a[start] === b[start]) start += 1;
  let end = 0;
  while (end < most - start && a.at(-1 - end) === b.at(-1 - end)) end += 1;
  return [[left, a], [right, b]].map(([line, letters]) => ({
    depth: line.depth,
    before: letters.slice(0, start).join(""),
    changed: letters.slice(start, letters.length - end).join(""),
    after: letters.slice(letters.length - end).join(""),
  }));
}
