import assert from "node:assert/strict";
import { test } from "node:test";

import { ABSENT, contrast } from "../../gateway/admin/static/lib/contrast.js";

/** A side as it reads: marked parts in angle brackets, null where it has nothing. */
function read(rows, side) {
  return rows.map(({ [side]: line }) => line && " ".repeat(line.depth) + line.before + (line.changed && `<${line.changed}>`) + line.after);
}

const both = (a, b) => {
  const rows = contrast(a, b);
  return [read(rows, "left"), read(rows, "right"), rows.map((row) => row.isSame)];
};

test("what is alike is not marked, whatever the order of its members", () => {
  const [left, right, same] = both({ a: 1, b: [1, 2] }, { b: [1, 2], a: 1 });
  assert.deepEqual(left, right);
  assert.ok(same.every(Boolean));
});

test("a member that differs is marked, the others stand beside each other", () => {
  assert.deepEqual(both({ id: 7, total: 9.5 }, { id: 7, total: 9.6 }), [
    ["{", ' "id": 7,', ' <"total": 9.5>', "}"],
    ["{", ' "id": 7,', ' <"total": 9.6>', "}"],
    [true, true, false, true],
  ]);
});

test("of a text only the part is marked that differs, and no letter is cut in two", () => {
  assert.deepEqual(both("on its way 😀.", "on its way 😁."), [['"on its way <😀>."'], ['"on its way <😁>."'], [false]]);
  assert.deepEqual(both("aa", "aaa"), [['"aa"'], ['"aa<a>"'], [false]]);
});

test("what one side lacks leaves its line empty", () => {
  assert.deepEqual(both({ a: 1 }, { a: 1, b: [2] }), [
    ["{", ' "a": 1', null, null, null, "}"],
    ["{", ' "a": 1,', ' <"b": [>', "  <2>", " <]>", "}"],
    [true, true, false, false, false, true],
  ]);
  assert.deepEqual(both(ABSENT, null), [[null], ["<null>"], [false]]);
});

test("an element that was put in does not make those behind it differ", () => {
  const [left, right, same] = both([1, 3, 4], [1, 2, 3, 4]);
  assert.deepEqual(left, ["[", " 1,", null, " 3,", " 4", "]"]);
  assert.deepEqual(right, ["[", " 1,", " <2>,", " 3,", " 4", "]"].map((line) => line.replace("<2>,", "<2,>")));
  assert.deepEqual(same, [true, true, false, true, true, true]);
});

test("elements in another order are shown as taken out and put in", () => {
  const [left, right] = both(["a", "b"], ["b", "a"]);
  assert.deepEqual(left.filter(Boolean).join("").replaceAll(/[<>,\s]/g, ""), '["a""b"]');
  assert.deepEqual(right.filter(Boolean).join("").replaceAll(/[<>,\s]/g, ""), '["b""a"]');
});

test("very long arrays are paired by their places", () => {
  const long = Array.from({ length: 300 }, (_, at) => at);
  const [left, right, same] = both(long, [-1, ...long.slice(1)]);
  assert.equal(left.length, 302);
  assert.equal(right[1], " <-1,>");
  assert.equal(same.filter((each) => !each).length, 1);
});

test("an object and a list, or a value and none, differ as a whole", () => {
  assert.deepEqual(both({ a: 1 }, [])[2], [false, false, false]);
  assert.deepEqual(both(null, false)[0], ["<null>"]);
});
