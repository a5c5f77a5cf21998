/** A table that can be sorted by its columns and, on a narrow screen, becomes a stack of cards or scrolls in its box. */

import { Component, html, useLayoutEffect, useMemo, useRef, useState } from "../lib/preact.js";

/**
 * @typedef {object} Column
 * @property {string} key
 * @property {any} title
 * @property {(row: any) => any} cell what is drawn
 * @property {(row: any) => number | string | null} [by] what it is sorted by; without it, it is not
 * @property {boolean} [isNumber] right-aligned, and the largest first
 * @property {boolean} [isHead] the cell that names the row
 * @property {boolean} [isSpare] left out where the table would be too wide
 *
 * `columns` must be the same array from draw to draw: a row is drawn again only when it is another object.
 * `narrow` is `stack` or `scroll`; `sort` is `{key, isDown}` or null for the order of `rows`.
 */
export function Table({ caption, columns, rows, keyOf, sort = null, narrow = "scroll", most = Infinity }) {
  const [order, setOrder] = useState(sort);
  const sorted = useMemo(() => sortRows(rows, columns, order), [rows, columns, order]);
  const shown = sorted.length > most ? sorted.slice(0, most) : sorted;
  return html`<${Scroller} isStack=${narrow === "stack"} label=${caption}>
    <table class="table ${narrow === "stack" ? "is-stack" : ""}">
      <caption class="unseen">${caption}</caption>
      <thead><tr>${columns.map((column) => html`<${Head} key=${column.key} column=${column} order=${order} onOrder=${setOrder} />`)}</tr></thead>
      <tbody>${shown.map((row) => html`<${Row} key=${keyOf(row)} row=${row} columns=${columns} />`)}</tbody>
    </table>
  <//>`;
}

/** Rows by a column; what is unknown comes last, either way. The array itself where there is no order. */
export function sortRows(rows, columns, order) {
  const by = columns.find((column) => column.key === order?.key)?.by;
  if (!by) return rows;
  const sign = order.isDown ? -1 : 1;
  return [...rows].sort((a, b) => compare(by(a), by(b), sign));
}

function compare(a, b, sign) {
  const isLastA = a === null || a === undefined;
  const isLastB = b === null || b === undefined;
  if (isLastA || isLastB) return Number(isLastA) - Number(isLastB);
  return sign * (typeof a === "string" ? a.localeCompare(b) : a - b);
}

function Head({ column, order, onOrder }) {
  const isSorted = order?.key === column.key;
  const turn = () => onOrder({ key: column.key, isDown: isSorted ? !order.isDown : Boolean(column.isNumber) });
  const state = isSorted ? (order.isDown ? "descending" : "ascending") : undefined;
  return html`<th scope="col" class=${classOf(column)} aria-sort=${state}>
    ${column.by
      ? html`<button type="button" class="sort" onClick=${turn}>${column.title}<span class="sort-mark" aria-hidden="true">${isSorted ? (order.isDown ? "↓" : "↑") : "↕"}</span></button>`
      : column.title}
  </th>`;
}

/** Not a kept `html` value: that would hold on to the tree that it was first drawn in, and so to all trees since. */
class Row extends Component {
  shouldComponentUpdate({ row, columns }) {
    return row !== this.props.row || columns !== this.props.columns;
  }

  render({ row, columns }) {
    return html`<tr>${columns.map((column) => drawCell(column, row))}</tr>`;
  }
}

function classOf(column) {
  return [column.isNumber && "is-number", column.isSpare && "is-wide-only"].filter(Boolean).join(" ");
}

function drawCell(column, row) {
  const label = column.label ?? column.title;
  return column.isHead
    ? html`<th scope="row" key=${column.key}>${column.cell(row)}</th>`
    : html`<td key=${column.key} class=${classOf(column)} data-label=${label}>${column.cell(row)}</td>`;
}

/** A box in which what is too wide scrolls, with a shade at the side where there is more; by keys, too. */
export function Scroller({ children, label, isStack = false }) {
  const box = useRef(null);
  const [more, setMore] = useState("");
  useLayoutEffect(() => {
    const look = () => setMore(findMore(box.current));
    const watch = new ResizeObserver(look);
    watch.observe(box.current);
    if (box.current.firstElementChild) watch.observe(box.current.firstElementChild);
    look();
    return () => watch.disconnect();
  }, []);
  const onScroll = () => setMore(findMore(box.current));
  const scrolls = more && !isStack;
  return html`<div class="scroller ${more}">
    <div class="scroller-box" ref=${box} onScroll=${onScroll} tabindex=${scrolls ? 0 : undefined} role=${scrolls ? "region" : undefined} aria-label=${scrolls ? label : undefined}>${children}</div>
  </div>`;
}

function findMore(box) {
  const left = box.scrollLeft > 1 ? "more-left " : "";
  return left + (box.scrollLeft + box.clientWidth < box.scrollWidth - 1 ? "more-right" : "");
}
