import { html, useEffect, useRef, useState } from "../../vendor/preact.js";
import { signIn } from "../api.js";
import { t } from "../i18n.js";
import { Field } from "../ui.js";

export function SignIn() {
  const [key, setKey] = useState("");
  const [fault, setFault] = useState(null);
  const [busy, setBusy] = useState(false);
  const input = useRef(null);
  // Browsers heed `autofocus` once for each page, and somebody may have signed out.
  useEffect(() => input.current.focus(), []);
  const submit = async (event) => {
    event.preventDefault();
    setBusy(true);
    try {
      await signIn(key.trim());
    } catch (error) {
      setFault(error.message);
      setBusy(false);
    }
  };
  return html`<main class="signin">
    <form class="card" onSubmit=${submit}>
      <div class="brand"><img src="icon.svg" alt="" /><h1>LLM Orchestrator</h1></div>
      <${Field} label=${t("Admin key")} fault=${fault}
        hint=${t("What the gateway was started with as GATEWAY_ADMIN_KEY. It stays in this tab.")}>
        ${(given) => html`<input ...${given} ref=${input} type="password" autocomplete="current-password" value=${key} onInput=${(event) => setKey(event.target.value)} />`}
      <//>
      <button class="primary" type="submit" disabled=${busy || !key.trim()}>${t("Sign in")}</button>
    </form>
  </main>`;
}
