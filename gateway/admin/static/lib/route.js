/** The address of a view: `#/rollouts/NAME`. Names are whatever the configuration has, so they are encoded. */

/** Each view's pattern; `{name}` stands for one encoded segment. The first match is shown. */
export const ROUTES = [
  { pattern: "", view: "overview", title: "Overview", section: "overview" },
  { pattern: "rollouts/{name}", view: "rollout", title: "Rollout", section: "overview" },
  { pattern: "differences", view: "differences", title: "Differences", section: "differences" },
  { pattern: "differences/{route}", view: "differences", title: "Differences", section: "differences" },
  { pattern: "incidents", view: "incidents", title: "Incidents", section: "incidents" },
  { pattern: "incidents/{id}", view: "incident", title: "Incident", section: "incidents" },
  { pattern: "events", view: "events", title: "Events", section: "events" },
  { pattern: "configuration", view: "configuration", title: "Configuration", section: "configuration" },
  { pattern: "fleet", view: "fleet", title: "Fleet", section: "fleet" },
];

/**
 * The view of a `location.hash`, with its params; null when there is none. What follows `?` are params, too.
 * @returns {{view: string, title: string, section: string, params: object} | null}
 */
export function findRoute(hash) {
  const [path, query = ""] = hash.replace(/^#?\/?/, "").split("?", 2);
  for (const route of ROUTES) {
    const params = match(route.pattern, path.replace(/\/$/, ""));
    if (params) return { ...route, params: { ...Object.fromEntries(new URLSearchParams(query)), ...params } };
  }
  return null;
}

function match(pattern, path) {
  const wanted = pattern.split("/");
  const given = path.split("/");
  if (wanted.length !== given.length) return null;
  const params = {};
  for (const [index, part] of wanted.entries()) {
    if (part.startsWith("{")) params[part.slice(1, -1)] = decode(given[index]);
    else if (part !== given[index]) return null;
  }
  return Object.values(params).includes("") ? null : params;
}

function decode(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** The address of a view: `link("rollouts", name)`; `params` come after a `?`. */
export function link(...parts) {
  const params = typeof parts.at(-1) === "object" ? new URLSearchParams(parts.pop()).toString() : "";
  return `#/${parts.map(encodeURIComponent).join("/")}${params && `?${params}`}`;
}
