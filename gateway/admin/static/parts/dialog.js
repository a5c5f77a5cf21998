/** A question that stands before the page until it is answered: the browser's own dialog, with its focus and keys. */

import { html, useEffect, useId, useRef } from "../lib/preact.js";

/** Open as long as it is drawn. `onClose` is called when it is left by Escape or by its close button. */
export function Dialog({ title, onClose, canLeave = true, children }) {
  const box = useRef(null);
  const id = useId();
  useEffect(() => {
    const dialog = box.current;
    const before = document.activeElement;
    dialog.showModal();
    return () => {
      dialog.close();
      giveFocusBack(before);
    };
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

/** To where it was; where that is gone, as what was asked about is done, to the view's heading. */
function giveFocusBack(element) {
  const target = element?.isConnected && element !== document.body ? element : document.querySelector("main h1");
  target?.focus({ preventScroll: true });
}
