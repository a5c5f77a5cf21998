/** The one door to the libraries: Preact, its hooks, and `html`, a tagged template whose values are always text. */

import htm from "../vendor/htm.mjs";
import { Fragment, h, render } from "../vendor/preact.mjs";

export { useCallback, useEffect, useErrorBoundary, useId, useLayoutEffect, useMemo, useRef, useState } from "../vendor/hooks.mjs";
export { Fragment, render };

export const html = htm.bind(h);
