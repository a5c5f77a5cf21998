import { html } from "../lib/preact.js";
import { Card, Empty } from "../parts/basics.js";

export function View() {
  return html`<h1 tabindex="-1">Incident</h1><${Card}><${Empty} title="Nothing here yet" /><//>`;
}
