/** The gates and guards of a rollout: what each reads, against what, on which evidence, and what it says. */

import { number, quantity, unitOf } from "../lib/format.js";
import { html } from "../lib/preact.js";
import { link } from "../lib/route.js";
import { sayVerdict } from "../lib/words.js";
import { Badge, Empty, Verdict } from "./basics.js";
import { Table } from "./table.js";

const DOES = { notify: "notifies", pause: "pauses", step_back: "steps back", shadow: "rolls back, keeps copying", rollback: "rolls back" };

const COLUMNS = [
  { key: "when", title: "Rule", isHead: true, cell: drawWhen },
  { key: "verdict", title: "Verdict", cell: drawVerdict },
  { key: "value", title: "Candidate", isNumber: true, cell: (rule) => html`<span class="figure arm-candidate">${quantity(rule.value, unitOf(rule.when))}</span>` },
  { key: "bound", title: "Bound", isNumber: true, cell: (rule) => html`<span class="figure">${quantity(rule.bound, unitOf(rule.when))}</span>` },
  { key: "baseline", title: "Baseline", isNumber: true, cell: (rule) => html`<span class="arm-baseline">${quantity(rule.baseline, unitOf(rule.when))}</span>` },
  { key: "evidence", title: "Evidence", isNumber: true, cell: drawEvidence },
];

function drawWhen(rule) {
  const about = [rule.route && `route ${rule.route}`, rule.path && `path ${rule.path}`].filter(Boolean).join(", ");
  return html`<span class="rule-when">${rule.when}</span>
    <span class="sub">${rule.kind}${rule.do ? `, ${DOES[rule.do] ?? rule.do}` : ""}${about && ` · ${about}`}</span>`;
}

function drawVerdict(rule) {
  if (!rule.verdict) return html`<${Badge}>at rest<//><span class="sub">not judged in this state</span>`;
  return html`<${Verdict} name=${rule.verdict} /><span class="sub">${sayVerdict(rule)}</span>`;
}

function drawEvidence(rule) {
  const { candidate, baseline } = rule.requests;
  if (rule.when.startsWith("mismatch") && candidate !== null) {
    return html`<a href=${link(...["differences", rule.seenOn].filter(Boolean))}>${number(candidate)} compared</a>`;
  }
  return html`<span class="pair"><span class="arm-candidate"><span class="unseen">candidate </span>${number(candidate)}</span>
    <span class="arm-baseline"><span class="unseen">baseline </span>${number(baseline)}</span></span>`;
}

/** What a rule that nobody judges lacks. */
const AT_REST = { verdict: null, value: null, bound: null, baseline: null, requests: { candidate: null, baseline: null } };

/** Those that are judged, gates first, then those that rest. */
export function Rules({ rollout }) {
  const resting = (rollout.rules_at_rest ?? []).map((rule) => ({ ...AT_REST, ...rule, id: rule.when }));
  const [only] = rollout.routes.length === 1 ? rollout.routes : [];
  const rules = [...rollout.rules, ...resting].map((rule) => ({ ...rule, seenOn: rule.route ?? only }));
  if (!rules.length) {
    return html`<${Empty} title="No rules"><p>Nothing holds this rollout up and nothing takes it back by itself.</p><//>`;
  }
  return html`<${Table} caption="Gates and guards" columns=${COLUMNS} rows=${rules} keyOf=${(rule) => rule.kind + rule.id} narrow="stack" />`;
}
