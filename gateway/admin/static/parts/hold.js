/** What is left of a stage's hold, counted down between the gateway's words. */

import { useTicking } from "./basics.js";

/**
 * Calls `children` with the seconds left; `at` (ms) is when `stage` was received. The hold passes only while the plan
 * runs and waits for it: under an operator's percentage, a switch or another mode than live it stands still.
 */
export function HoldLeft({ stage, at, isRunning, children }) {
  const left = useTicking((now) => {
    const passed = isRunning && stage.waits_for.includes("hold") ? Math.max(0, (now - at) / 1000) : 0;
    return Math.max(0, Math.round(stage.hold_left_s - passed));
  });
  return children(left);
}
