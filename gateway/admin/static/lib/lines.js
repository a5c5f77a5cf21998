/** A text's lines and the problems that belong to them. Pure. */

/** The lines, without an empty one after the last line break. */
export function splitLines(text) {
  const lines = text.split(/\r\n|\n|\r/);
  if (lines.length > 1 && lines.at(-1) === "") lines.pop();
  return lines;
}

/** Problems by the number of their line; those of the text as a whole have line 0. */
export function groupByLine(problems) {
  const groups = new Map();
  for (const problem of problems) groups.set(problem.line, [...(groups.get(problem.line) ?? []), problem]);
  return groups;
}

/** Where a place is in the text, counted in characters from 0; `line` and `column` count from 1. */
export function findOffset(text, line, column) {
  const lines = text.split("\n");
  const before = lines.slice(0, Math.max(0, line - 1)).reduce((sum, each) => sum + each.length + 1, 0);
  return Math.min(text.length, before + Math.max(0, column - 1));
}
