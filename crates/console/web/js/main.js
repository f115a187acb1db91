// Who has not signed in sees the form at once; the pages are loaded meanwhile.

import { html, render, useEffect, useState } from "../vendor/preact.js";
import { onSession, signedIn } from "./api.js";
import { t } from "./i18n.js";
import { SignIn } from "./pages/signin.js";
import { Toasts } from "./ui.js";

const loading = import("./frame.js");
// That they cannot be loaded is told where they would be shown.
loading.catch(() => {});

function Inside() {
  const [{ Frame, error }, set] = useState({});
  useEffect(() => {
    loading.then(set, (failure) => set({ error: failure }));
  }, []);
  if (error) {
    return html`<div class="note bad" role="alert">${t("The pages could not be loaded.")}${" "}
      <button type="button" class="plain" onClick=${() => location.reload()}>${t("Try again")}</button></div>`;
  }
  return Frame ? html`<${Frame} />` : html`<div class="loading" role="status">${t("Loading…")}</div>`;
}

function App() {
  const [inside, set] = useState(signedIn());
  useEffect(() => onSession(() => set(signedIn())), []);
  return html`${inside ? html`<${Inside} />` : html`<${SignIn} />`}<${Toasts} />`;
}

render(html`<${App} />`, document.getElementById("app"));
