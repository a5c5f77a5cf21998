/** The one door to the libraries: Preact, its hooks, and `html`, a tagged template whose values are always text. */

import htm from "../vendor/htm.mjs";
import { Component, Fragment, h, render } from "../vendor/preact.mjs";

export { useCallback, useEffect, useErrorBoundary, useId, useLayoutEffect, useMemo, useRef, useState } from "../vendor/hooks.mjs";
export { Component, Fragment, render };

/**
 * htm would keep what has no values in it, to use it again. A kept node holds on to the tree that it was first drawn in,
 * that to the next one, and so to everything that was ever drawn. `this[0] = 3` is htm's word for keeping nothing.
 */
function make(...parts) {
  this[0] = 3;
  return h(...parts);
}

export const html = htm.bind(make);
