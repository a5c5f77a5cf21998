/** uPlot, wrapped: two lines, one for each arm, with the rules' bounds and the rollout's moves drawn in. */

import UPlot from "../vendor/uPlot.esm.js";
import { clock, quantity } from "./format.js";
import { html, useEffect, useRef, useState } from "./preact.js";

const ARMS = ["candidate", "baseline"];
/** A bound further away than so many times the largest value is not drawn: it would press the lines flat. */
const FARTHEST = 4;
/** The least height of the scale, so that nothing is not drawn as a mountain. */
const LEAST = { ratio: 0.005, ms: 5, count: 1 };
/** So many steps without a value are still drawn as one line: where little comes, not every second has a request. */
const BRIDGED_STEPS = 8;
const TABLE_ROWS = 12;

/**
 * @param {object} props
 * @param {string} props.title
 * @param {{unit: string, step_s: number, times: string[], candidate: (number|null)[], baseline: (number|null)[]}} props.series
 * @param {{text: string, value: number, isBroken: boolean}[]} props.bounds in the series' unit
 * @param {{time: string, text: string}[]} props.marks what happened
 */
export function Chart({ title, series, bounds = [], marks = [] }) {
  const [index, setIndex] = useState(null);
  const box = useRef(null);
  const shown = useRef(null);
  shown.current = { series, bounds, marks, setIndex };
  usePlot(box, shown, JSON.stringify([bounds, marks]));
  const isEmpty = ARMS.every((arm) => series[arm].every((value) => value === null));
  return html`<figure class="chart">
    <h3><span>${title}</span><${Reading} series=${series} index=${index} /></h3>
    <div class="chart-box" ref=${box} role="img" aria-label=${describe(title, series, bounds)}>
      ${isEmpty && html`<p class="empty">No requests in this time</p>`}</div>
    <${Notes} series=${series} bounds=${bounds} />
    <${Figures} title=${title} series=${series} />
  </figure>`;
}

/** What it shows under the pointer, else what is known last of each arm. */
export function Reading({ series, index: pointed }) {
  const index = pointed !== null && pointed < series.times.length ? pointed : null;
  return html`<span class="chart-now">${index !== null && html`<span class="soft">${clock(series.times[index], Date.now())} </span>`}
    ${ARMS.map((arm) => html`<span key=${arm} class="arm-${arm}"> ${arm} <b>${quantity(series[arm][index ?? lastKnown(series[arm])], series.unit)}</b> </span>`)}</span>`;
}

function lastKnown(values) {
  return values.findLastIndex((value) => value !== null);
}

function Notes({ series, bounds }) {
  if (!bounds.length) return null;
  const most = heightOf(series, bounds);
  return html`<p class="chart-notes">${bounds.map((bound) => html`
    <span key=${bound.text} class="key is-dashed ${bound.isBroken ? "is-broken" : ""}">${bound.text}: ${quantity(bound.value, series.unit)}${bound.value > most ? " (above the chart)" : ""}</span>`)}</p>`;
}

/** The same as numbers, for those who don't see it or want them. */
function Figures({ title, series }) {
  const [isOpen, setOpen] = useState(false);
  const rows = isOpen ? pickRows(series) : [];
  return html`<details onToggle=${(event) => setOpen(event.target.open)}><summary>As a table</summary>
    ${isOpen && html`<table class="table"><caption class="unseen">${title}</caption>
      <thead><tr><th scope="col">Time</th>${ARMS.map((arm) => html`<th scope="col" class="is-number" key=${arm}>${arm}</th>`)}</tr></thead>
      <tbody>${rows.map((at) => html`<tr key=${series.times[at]}><td>${clock(series.times[at], Date.now())}</td>
        ${ARMS.map((arm) => html`<td class="is-number" key=${arm}>${quantity(series[arm][at], series.unit)}</td>`)}</tr>`)}</tbody></table>`}
  </details>`;
}

/** Of each twelfth of the time the last step of which anything is known, the newest first: few requests leave most empty. */
export function pickRows(series) {
  const every = Math.max(1, Math.floor(series.times.length / TABLE_ROWS));
  const rows = [];
  for (let end = series.times.length - 1; end >= 0; end -= every) {
    const steps = Array.from({ length: Math.min(every, end + 1) }, (_, back) => end - back);
    rows.push(steps.find((at) => ARMS.some((arm) => series[arm][at] !== null)) ?? end);
  }
  return rows;
}

function describe(title, series, bounds) {
  const said = ARMS.map((arm) => {
    const known = series[arm].filter((value) => value !== null);
    if (!known.length) return `${arm} without requests`;
    return `${arm} last ${quantity(known.at(-1), series.unit)}, at most ${quantity(Math.max(...known), series.unit)}`;
  });
  return [`${title}: ${said.join("; ")}`, ...bounds.map((bound) => `bound ${bound.text} at ${quantity(bound.value, series.unit)}`)].join("; ");
}

/** Keeps a plot in `box`: made anew when the theme changes, fed when series or what is `drawn` over it is another. */
function usePlot(box, shown, drawn) {
  const plot = useRef(null);
  const [theme, setTheme] = useState(0);
  useEffect(() => {
    const element = box.current;
    plot.current = new UPlot(makeOptions(element, shown), listData(shown.current.series), element);
    const watch = new ResizeObserver(() => plot.current.setSize(sizeOf(element)));
    watch.observe(element);
    const unfollow = followTheme(() => setTheme((count) => count + 1));
    return () => {
      watch.disconnect();
      unfollow();
      plot.current.destroy();
    };
  }, [theme]);
  useEffect(() => plot.current.setData(listData(shown.current.series)), [shown.current.series, drawn]);
}

function followTheme(listener) {
  const media = matchMedia("(prefers-color-scheme: dark)");
  media.addEventListener("change", listener);
  window.addEventListener("themechange", listener);
  return () => {
    media.removeEventListener("change", listener);
    window.removeEventListener("themechange", listener);
  };
}

function sizeOf(box) {
  return { width: box.clientWidth, height: box.clientHeight };
}

function listData(series) {
  return [series.times.map((time) => Date.parse(time) / 1000), ...ARMS.map((arm) => series[arm])];
}

/** The top of the scale: the largest value, and those bounds that are near enough to be seen beside it. */
export function heightOf(series, bounds) {
  const known = ARMS.flatMap((arm) => series[arm]).filter((value) => value !== null);
  const most = Math.max(LEAST[series.unit] ?? 0, ...known);
  const near = bounds.map((bound) => bound.value).filter((value) => value <= most * FARTHEST);
  return Math.max(most, ...near) * 1.08;
}

function makeOptions(box, shown) {
  const ink = (name) => readInk(box, name);
  const axis = { stroke: ink("axis"), grid: { stroke: ink("grid"), width: 1 }, ticks: { show: false }, font: "11px system-ui, sans-serif" };
  return {
    ...sizeOf(box),
    legend: { show: false },
    padding: [6, 18, 0, 0],
    cursor: { y: false, drag: { setScale: false } },
    scales: { x: { time: true }, y: { range: () => [0, heightOf(shown.current.series, shown.current.bounds)] } },
    axes: [
      { ...axis, size: 26, space: 70, values: writeClocks },
      { ...axis, size: 60, space: 34, values: (_, values) => values.map((value) => quantity(value, shown.current.series.unit)) },
    ],
    series: [{}, ...ARMS.map((arm) => ({ label: arm, stroke: ink(arm), width: arm === "candidate" ? 1.75 : 1.25, points: { size: 4, filter: findLone }, gaps: findGaps }))],
    hooks: {
      drawClear: [(plot) => drawMarks(plot, shown.current.marks, { ink: ink("mark"), card: ink("card") })],
      draw: [(plot) => drawBounds(plot, shown.current.bounds, { ink: ink("axis"), inkBroken: ink("bound") })],
      setCursor: [(plot) => shown.current.setIndex(plot.cursor.idx ?? null)],
    },
  };
}

function writeClocks(_, seconds) {
  const isFine = seconds.length > 1 && seconds[1] - seconds[0] < 60;
  return seconds.map((second) => new Date(second * 1000).toTimeString().slice(0, isFine ? 8 : 5));
}

/** Canvas knows no CSS variables: the colour is read from an element that has the class. */
function readInk(box, name) {
  const probe = document.createElement("span");
  probe.className = `ink-${name}`;
  box.append(probe);
  const { color } = getComputedStyle(probe);
  probe.remove();
  return color;
}

function findGaps(plot, _series, _from, _to, gaps) {
  const stepWidth = plot.bbox.width / Math.max(1, plot.data[0].length - 1);
  return gaps.filter(([from, to]) => to - from > stepWidth * BRIDGED_STEPS);
}

/** A value with none near it makes no line: it is drawn as a point. */
function findLone(plot, at, isDense) {
  if (isDense) return null;
  const known = plot.data[at].flatMap((value, index) => (value === null || value === undefined ? [] : [index]));
  return known.filter((index, place) => !(index - known[place - 1] <= BRIDGED_STEPS) && !(known[place + 1] - index <= BRIDGED_STEPS));
}

function drawBounds(plot, bounds, { ink, inkBroken }) {
  for (const bound of bounds) {
    if (bound.value > plot.scales.y.max) continue;
    const y = Math.round(plot.valToPos(bound.value, "y", true)) + 0.5;
    drawLine(plot, { from: [plot.bbox.left, y], to: [plot.bbox.left + plot.bbox.width, y], ink: bound.isBroken ? inkBroken : ink, dash: [5, 4] });
  }
}

/** Lines, then words over them, the newest first: where several are too near to each other, it has the word. */
function drawMarks(plot, marks, inks) {
  const { min, max } = plot.scales.x;
  const seen = marks.map((mark) => ({ text: mark.text, second: Date.parse(mark.time) / 1000 })).filter(({ second }) => second >= min && second <= max);
  const placed = seen.reverse().map(({ text, second }) => ({ text, x: Math.round(plot.valToPos(second, "x", true)) + 0.5 }));
  const { top, height } = plot.bbox;
  for (const { x } of placed) drawLine(plot, { from: [x, top], to: [x, top + height], ink: inks.ink, dash: [2, 3] });
  let free = Infinity;
  for (const { text, x } of placed) if (x < free) free = drawText(plot, text, x, inks);
}

/** Left of its mark. Returns where the next may stand. */
function drawText(plot, text, x, { ink, card }) {
  const { ctx, bbox } = plot;
  const edge = x - 4 * devicePixelRatio;
  Object.assign(ctx, { fillStyle: ink, strokeStyle: card, lineWidth: 4 * devicePixelRatio, font: `${10 * devicePixelRatio}px system-ui, sans-serif`, textAlign: "right", textBaseline: "top" });
  const { width } = ctx.measureText(text);
  if (edge - width < bbox.left) return x;
  ctx.strokeText(text, edge, bbox.top + 2);
  ctx.fillText(text, edge, bbox.top + 2);
  return edge - width;
}

function drawLine(plot, { from, to, ink, dash }) {
  const { ctx } = plot;
  ctx.save();
  Object.assign(ctx, { strokeStyle: ink, lineWidth: devicePixelRatio });
  ctx.setLineDash(dash.map((each) => each * devicePixelRatio));
  ctx.beginPath();
  ctx.moveTo(...from);
  ctx.lineTo(...to);
  ctx.stroke();
  ctx.restore();
}
