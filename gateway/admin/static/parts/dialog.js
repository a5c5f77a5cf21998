/** A question that stands before the page until it is answered: the browser's own dialog, with its focus and keys. */

import { html, useEffect, useId, useRef } from "../lib/preact.js";

/** Open as long as it is drawn. `onClose` is called when it is left by Escape or by its close button. */
export function Dialog({ title, onClose, canLeave = true, children }) {
  const box = useRef(null);
  const id = useId();
  useEffect(() => {
    const dialog = box.current;
    dialog.showModal();
    return () => dialog.close();
  }, []);
  const onCancel = (event) => {
    event.preventDefault();
    if (canLeave) onClose();
  };
  return html`<dialog ref=${box} class="dialog" aria-labelledby=${id} onCancel=${onCancel}>
    <header class="dialog-head"><h2 id=${id}>${title}</h2>
      ${canLeave && html`<button type="button" class="dialog-close" aria-label="Close" onClick=${onClose}>✕</button>`}
    </header>
    ${children}
  </dialog>`;
}
