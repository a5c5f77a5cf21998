/** The share of a rollout as a bar, with a tick for each stage of its plan. */

import { percent as say } from "../lib/format.js";
import { html } from "../lib/preact.js";

/** `percent` and each of `stages` from 0 to 100; `isHalted` draws it as one that does not go on. */
export function PercentBar({ percent, stages = [], isHalted = false, label = "Share of the candidate" }) {
  const ticks = [...new Set(stages)].filter((each) => each > 0 && each < 100);
  return html`<span class="bar ${isHalted ? "is-halted" : ""}" role="img" aria-label=${`${label}: ${say(percent)}`}>
    <span class="bar-fill" style=${{ width: `${percent}%` }}></span>
    ${ticks.map((each) => html`<span key=${each} class="bar-tick ${each <= percent ? "is-passed" : ""}" style=${{ left: `${each}%` }}></span>`)}
  </span>`;
}
