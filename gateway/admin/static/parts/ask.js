/** A question before something is done that can't be taken back, with a reason for the audit log. */

import { html, useState } from "../lib/preact.js";
import { Dialog } from "./dialog.js";

/** `onDo` gets the reason; when it is through the question is gone, and what refuses it is said in it. */
export function Ask({ title, word, onDo, onClose, children }) {
  const [reason, setReason] = useState("");
  const [problem, setProblem] = useState(null);
  const [isDoing, setDoing] = useState(false);
  const onSubmit = async (event) => {
    event.preventDefault();
    setDoing(true);
    setProblem(null);
    try {
      await onDo(reason);
      onClose();
    } catch (fault) {
      setProblem(fault);
      setDoing(false);
    }
  };
  return html`<${Dialog} title=${title} onClose=${onClose}><form class="form" onSubmit=${onSubmit}>
    ${children}
    <label class="field"><span>Reason <small>for the audit log</small></span>
      <input value=${reason} maxlength="500" autocomplete="off" autofocus onInput=${(event) => setReason(event.target.value)} /></label>
    <p class="fault" role="alert">${problem ? problem.message : ""}</p>
    <div class="form-end"><button type="button" class="button" onClick=${onClose}>Cancel</button>
      <button type="submit" class="button primary" disabled=${isDoing}>${isDoing ? "Doing it…" : word}</button></div>
  </form><//>`;
}
