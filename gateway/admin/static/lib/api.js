/**
 * The admin API. The token lives in this module's memory: closing or reloading the page forgets it.
 */

const BASE = "api/v1";

let token = "";
let operator = "";
let onUnauthorized = () => {};

/** An answer that is not 2xx (RFC 9457), or none at all: then `status` is 0. */
export class Problem extends Error {
  constructor({ status = 0, title = "", detail = "", field = "" }) {
    super(detail || title);
    Object.assign(this, { name: "Problem", status, title, detail, field });
  }
}

/** Use this token from now on; an empty one is none. */
export function signIn(value) {
  token = value.trim();
}

/** Whether a token is in use. */
export function isSignedIn() {
  return token !== "";
}

/** Who acts, as the audit log shows it; an empty name, or one that is not ASCII, leaves it the address. */
export function setOperator(name) {
  operator = /^[ -~]*$/.test(name) ? name.trim() : "";
}

/** The name that was given last. */
export function getOperator() {
  return operator;
}

/** Call `listener` whenever the API wants a token that it was not shown. */
export function whenUnauthorized(listener) {
  onUnauthorized = listener;
}

/** The headers that every call carries. Fetch takes bytes for a header, each as a character. */
export function listHeaders() {
  return token ? { Authorization: `Bearer ${String.fromCharCode(...new TextEncoder().encode(token))}` } : {};
}

/** The answer to a GET of `/api/v1` + `path`, as JSON. `params` that are null or empty are left out. */
export function get(path, params = {}, signal = undefined) {
  return call("GET", path + writeQuery(params), undefined, signal);
}

export const post = (path, body) => call("POST", path, body);
export const put = (path, body) => call("PUT", path, body);
export const del = (path, body) => call("DELETE", path, body);

/** POST a text as it is, not as JSON: a draft of the configuration. */
export function postText(path, text, type = "application/yaml") {
  return send("POST", path, text, { "Content-Type": type });
}

/** A text instead of JSON, such as an incident as Markdown. */
export async function getText(path, type) {
  const response = await reach("GET", path, undefined, { Accept: type });
  return response.text();
}

/** `?a=1&b=2`, or nothing. */
export function writeQuery(params) {
  const given = Object.entries(params).filter(([, value]) => value !== undefined && value !== null && value !== "");
  const text = new URLSearchParams(given).toString();
  return text && `?${text}`;
}

/** Where the API has `path`. */
export function locate(path) {
  return BASE + path;
}

/** The Problem that a response tells of. Tells whoever listens when it is 401. */
export async function readProblem(response) {
  if (response.status === 401) onUnauthorized();
  const told = await response.json().catch(() => ({}));
  return new Problem({ title: response.statusText, ...told, status: response.status });
}

function call(method, path, body, signal) {
  const headers = body === undefined ? {} : { "Content-Type": "application/json" };
  return send(method, path, body === undefined ? undefined : JSON.stringify(body), headers, signal);
}

async function send(method, path, body, headers, signal) {
  const response = await reach(method, path, body, headers, signal);
  return response.json();
}

async function reach(method, path, body, headers, signal) {
  const name = operator ? { "X-Crossfade-Operator": operator } : {};
  const response = await fetch(locate(path), {
    method, body, signal, headers: { ...listHeaders(), ...name, ...headers }, cache: "no-store",
  }).catch((error) => {
    if (error.name === "AbortError") throw error;
    throw new Problem({ title: "The gateway can't be reached", detail: "The admin address does not answer." });
  });
  if (!response.ok) throw await readProblem(response);
  return response;
}
