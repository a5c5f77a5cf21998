/** The frame of the page: which view is shown, the way to the others, the connection, the theme, and signing in. */

import { clock, zone } from "./lib/format.js";
import { begin, reconnect, useLive } from "./lib/live.js";
import { html, render, useEffect, useErrorBoundary, useRef, useState } from "./lib/preact.js";
import { findRoute, link } from "./lib/route.js";
import { Card, Empty, Failure, Loading, useTicking } from "./parts/basics.js";
import { SignIn } from "./parts/sign_in.js";

const NAV = [
  ["overview", "Overview", link()],
  ["differences", "Differences", link("differences")],
  ["incidents", "Incidents", link("incidents")],
  ["events", "Events", link("events")],
  ["configuration", "Configuration", link("configuration")],
];
const FLEET = ["fleet", "Fleet", link("fleet")];

function App() {
  const route = useRoute();
  const needsToken = useLive((known) => known.needsToken);
  return html`
    <a class="skip" href="#main" onClick=${skip}>Skip to the content</a>
    <${Header} section=${route?.section} />
    <${Lost} />
    <${Degraded} />
    <main id="main" tabindex="-1">${route ? html`<${Shown} route=${route} key=${location.hash.split("?")[0]} />` : html`<${Nowhere} />`}</main>
    <${Footer} />
    ${needsToken && html`<${SignIn} />`}`;
}

/** A link to `#main` would be taken for a view. */
function skip(event) {
  event.preventDefault();
  document.getElementById("main").focus();
}

function useRoute() {
  const [hash, setHash] = useState(location.hash);
  useEffect(() => {
    const onChange = () => setHash(location.hash);
    window.addEventListener("hashchange", onChange);
    return () => window.removeEventListener("hashchange", onChange);
  }, []);
  return findRoute(hash);
}

const views = new Map();
let isFirstView = true;

/** A view, whose module is loaded when it is first wanted. */
function Shown({ route }) {
  const [View, setView] = useState(() => views.get(route.view));
  const [problem, setProblem] = useState(null);
  const [fault, forget] = useErrorBoundary();
  useEffect(() => { document.title = titleOf(route); }, [route.title, JSON.stringify(route.params)]);
  useEffect(() => {
    if (View) return;
    import(`./views/${route.view}.js`).then((module) => {
      views.set(route.view, module.View);
      setView(() => module.View);
    }, setProblem);
  }, []);
  useFocusOnHeading(Boolean(View));
  if (problem) return html`<${Failure} problem=${{ title: "This view can't be loaded", detail: "The gateway does not answer." }} onRetry=${() => location.reload()} />`;
  if (fault) return html`<${Failure} problem=${{ title: "This view has a fault", detail: String(fault) }} onRetry=${forget} />`;
  return View ? html`<${View} params=${route.params} />` : html`<${Loading} lines=${6} />`;
}

function titleOf(route) {
  const subject = route.params.name ?? route.params.route ?? route.params.id;
  return `${subject ? `${subject} · ` : ""}${route.title} · Crossfade`;
}

/** Who hears the page is told which view came; on opening the page the browser does that. */
function useFocusOnHeading(isThere) {
  useEffect(() => {
    if (!isThere) return undefined;
    const isOpening = isFirstView;
    isFirstView = false;
    if (isOpening) return undefined;
    window.scrollTo(0, 0);
    let heading = focusHeading();
    const look = () => { if (!heading?.isConnected && document.activeElement === document.body) heading = focusHeading(); };
    const watch = new MutationObserver(look); // some views have another heading as soon as they know more
    watch.observe(document.getElementById("main"), { childList: true, subtree: true });
    return () => watch.disconnect();
  }, [isThere]);
}

function focusHeading() {
  const heading = document.querySelector("main h1");
  heading?.focus({ preventScroll: true });
  return heading;
}

function Nowhere() {
  return html`<h1 tabindex="-1">Not found</h1>
    <${Card}><${Empty} title="There is no such view"><a href=${link()}>To the overview</a><//><//>`;
}

function Header({ section }) {
  const nav = useRef(null);
  const isInFleet = useLive((known) => Boolean(known.status?.fleet));
  const ways = isInFleet || section === "fleet" ? [...NAV, FLEET] : NAV;
  useEffect(() => showCurrent(nav.current), [section, isInFleet]);
  return html`<header class="top"><div class="top-inner">
    <a class="brand" href=${link()} aria-label="Crossfade, overview"><${Mark} /><span>Crossfade</span></a>
    <nav ref=${nav} class="nav" aria-label="Views">
      ${ways.map(([name, text, href]) => html`<a key=${name} href=${href} aria-current=${name === section ? "page" : undefined}>${text}</a>`)}
    </nav>
    <div class="top-end"><${Connection} /><${Theme} /></div>
  </div></header>`;
}

/** Where the ways to the views don't fit side by side, the one that was taken is scrolled to. */
function showCurrent(nav) {
  const current = nav.querySelector("[aria-current]");
  if (!current) return;
  const [box, item] = [nav.getBoundingClientRect(), current.getBoundingClientRect()];
  nav.scrollLeft += item.left - box.left - (box.width - item.width) / 2;
}

function Mark() {
  return html`<svg class="mark" viewBox="0 0 20 20" aria-hidden="true">
    <path class="mark-candidate" d="M1 16C9 16 11 4 19 4" /><path class="mark-baseline" d="M1 4c8 0 10 12 18 12" /></svg>`;
}

const CONNECTIONS = {
  connecting: ["idle", "Connecting"],
  live: ["ok", "Live"],
  lost: ["broken", "Disconnected"],
};

function Connection() {
  const state = useLive((known) => known.connection.state);
  const [tone, text] = CONNECTIONS[state];
  return html`<span class="connection tone-${tone}" role="status"><span class="dot"></span>${text}</span>`;
}

/** Says that what is seen is old, and from when, as long as there is no connection. */
function Lost() {
  const connection = useLive((known) => known.connection);
  const seconds = useTicking((now) => (connection.retryAt === null ? 0 : Math.max(0, Math.ceil((connection.retryAt - now) / 1000))), 1);
  if (connection.state !== "lost") return null;
  return html`<div class="lost"><div class="lost-inner">
    <span role="alert"><strong>${connection.reason ? "The gateway does not let this page follow it." : "The gateway can't be reached."}</strong> ${connection.reason}
      ${connection.heardAt && ` What you see is as of ${clock(connection.heardAt, Date.now())}.`}</span>
    <span>${seconds ? `Next try in ${seconds} s.` : "Trying now."}</span>
    <button type="button" class="button small" onClick=${reconnect}>Try now</button>
  </div></div>`;
}

/** What is not as it should be with the store. The place is there before the words, so that they are read out. */
function Degraded() {
  const sentence = useLive((known) => known.status?.degraded ?? null);
  return html`<div role="status">${sentence && html`<div class="lost is-degraded"><p class="lost-inner">
    <span><strong>Degraded:</strong> ${sentence}.</span></p></div>`}</div>`;
}

const THEMES = ["auto", "light", "dark"];

function Theme() {
  const [theme, setTheme] = useState(recallTheme);
  const isSet = useRef(false);
  useEffect(() => {
    document.documentElement.dataset.theme = theme;
    if (isSet.current) keepTheme(theme);
    isSet.current = true;
    window.dispatchEvent(new Event("themechange"));
  }, [theme]);
  const next = THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length];
  return html`<button type="button" class="button quiet small" title=${`Switch to ${next}`} onClick=${() => setTheme(next)}>
    <span class="theme-word">Theme: </span>${theme[0].toUpperCase() + theme.slice(1)}</button>`;
}

function recallTheme() {
  try {
    const kept = localStorage.getItem("crossfade-theme");
    return THEMES.includes(kept) ? kept : "auto";
  } catch {
    return "auto"; // storage is forbidden here
  }
}

function keepTheme(theme) {
  try {
    localStorage.setItem("crossfade-theme", theme);
  } catch { /* it holds until the page is closed */ }
}

function Footer() {
  const status = useLive((known) => known.status);
  if (!status) return null;
  return html`<footer class="foot">Crossfade ${status.version} · revision <code>${status.revision || "none yet"}</code> ·
    store ${status.store.kind}${status.store.ok ? "" : `, which can't be used: ${status.store.reason ?? "unknown why"}`} · times in ${zone()}, by your clock</footer>`;
}

begin();
render(html`<${App} />`, document.getElementById("app"));
