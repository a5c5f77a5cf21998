/** Asks for the token that the admin API wants. It is kept in memory only. */

import { get, signIn } from "../lib/api.js";
import { enter } from "../lib/live.js";
import { html, useRef, useState } from "../lib/preact.js";
import { Dialog } from "./dialog.js";

/** Open until the API has taken a token. */
export function SignIn() {
  const [fault, setFault] = useState("");
  const [isAsking, setAsking] = useState(false);
  const input = useRef(null);
  const onSubmit = async (event) => {
    event.preventDefault();
    setAsking(true);
    setFault(await tryToken(input.current.value));
    setAsking(false);
    input.current?.select();
  };
  return html`<${Dialog} title="Sign in" canLeave=${false}>
    <form class="form" onSubmit=${onSubmit}>
      <p>This gateway's admin API wants its token (<code>admin.token</code> of the configuration). The page keeps it until it is closed or reloaded.</p>
      <label class="field"><span>Token</span>
        <input ref=${input} type="password" autocomplete="off" required autofocus aria-invalid=${fault ? "true" : undefined} aria-describedby="sign-in-fault" /></label>
      <p id="sign-in-fault" class="fault" role="alert">${fault}</p>
      <div class="form-end"><button type="submit" class="button primary" disabled=${isAsking}>${isAsking ? "Asking…" : "Sign in"}</button></div>
    </form>
  <//>`;
}

/** Enter with `token`; why that did not work, or nothing. */
async function tryToken(token) {
  signIn(token);
  try {
    await get("/status");
  } catch (problem) {
    signIn("");
    return problem.status === 401 ? "This is not the token." : problem.message;
  }
  enter(token);
  return "";
}
