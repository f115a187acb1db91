// The frame around the pages, and which page is shown. The address behind # is the page: #/logs?model=fast.

import { html, useEffect, useRef, useState } from "../vendor/preact.js";
import { place } from "./address.js";
import { signOut } from "./api.js";
import { LANGUAGES, choose, language, t } from "./i18n.js";
import { browser, read, write } from "./storage.js";
import { Audit } from "./pages/audit.js";
import { Documents } from "./pages/documents.js";
import { Keys } from "./pages/keys.js";
import { Logs } from "./pages/logs.js";
import { Models } from "./pages/models.js";
import { Overview } from "./pages/overview.js";
import { Playground } from "./pages/playground.js";
import { Policies } from "./pages/policies.js";
import { Prices } from "./pages/prices.js";
import { Providers } from "./pages/providers.js";
import { Quickstart } from "./pages/quickstart.js";
import { RouteExplorer } from "./pages/route.js";
import { Settings } from "./pages/settings.js";
import { Spend } from "./pages/spend.js";

const SECTIONS = [
  [t("Watch"), [
    ["overview", t("Overview"), Overview],
    ["logs", t("Logs"), Logs],
    ["spend", t("Spend"), Spend],
    ["audit", t("Audit log"), Audit],
  ]],
  [t("Route"), [
    ["providers", t("Providers"), Providers],
    ["models", t("Models"), Models],
    ["policies", t("Policies"), Policies],
    ["route", t("Route explorer"), RouteExplorer],
    ["prices", t("Prices"), Prices],
  ]],
  [t("Use"), [
    ["keys", t("Keys"), Keys],
    ["playground", t("Playground"), Playground],
    ["quickstart", t("Quick start"), Quickstart],
    ["documents", t("Import and export"), Documents],
    ["settings", t("Settings"), Settings],
  ]],
];
const PAGES = Object.fromEntries(SECTIONS.flatMap(([, pages]) => pages.map(([name, , page]) => [name, page])));

const page = () => {
  const { path } = place();
  return path in PAGES ? path : "overview";
};

function Theme() {
  const [theme, set] = useState(read(browser, "theme") ?? "");
  const change = (event) => {
    const next = event.target.value;
    set(next);
    write(browser, "theme", next || null);
    if (next) document.documentElement.dataset.theme = next;
    else delete document.documentElement.dataset.theme;
  };
  return html`<select aria-label=${t("Theme")} value=${theme} onChange=${change}>
    ${[["", t("System")], ["light", t("Light")], ["dark", t("Dark")]].map(
      ([value, text]) => html`<option value=${value} selected=${value === theme}>${text}</option>`,
    )}
  </select>`;
}

const Language = () =>
  html`<select aria-label=${t("Language")} value=${language} onChange=${(event) => choose(event.target.value)}>
    ${Object.entries(LANGUAGES).map(([value, text]) => html`<option value=${value} selected=${value === language}>${text}</option>`)}
  </select>`;

function Version() {
  const [version, set] = useState("");
  useEffect(() => {
    fetch("../version").then((answer) => answer.json()).then((it) => set(it.version), () => {});
  }, []);
  return html`<span>${version && `v${version}`} · <a href="../docs">${t("API")}</a></span>`;
}

export function Frame() {
  const [at, move] = useState({ page: page(), moves: 0 });
  const drawn = useRef(location.hash);
  const [open, setOpen] = useState(false);
  useEffect(() => {
    const moved = () => {
      // Each move shows its page anew, the same page with another query too.
      move((before) => ({ page: page(), moves: before.moves + 1 }));
      setOpen(false);
      // As after a page load: from the top, for the eye and for the screen reader.
      scrollTo(0, 0);
      setTimeout(() => document.querySelector("h1")?.focus({ preventScroll: true }));
    };
    addEventListener("hashchange", moved);
    // Somebody may have gone elsewhere before this listened.
    if (location.hash !== drawn.current) moved();
    return () => removeEventListener("hashchange", moved);
  }, []);
  const Page = PAGES[at.page];
  return html`<a class="skip" href="#main" onClick=${(event) => {
      event.preventDefault();
      document.querySelector("h1")?.focus();
    }}>${t("To the content")}</a>
    <div class="frame">
      <aside class=${`sidebar ${open ? "open" : ""}`}>
        <div class="top"><a class="brand" href="#/overview"><img src="icon.svg" alt="" />LLM Orchestrator</a>
          <button type="button" class="menu" aria-expanded=${String(open)} onClick=${() => setOpen(!open)}>${t("Menu")}</button></div>
        <nav aria-label=${t("Pages")}>
          ${SECTIONS.map(
            ([section, pages]) => html`<h3>${section}</h3>
              ${pages.map(([name, text]) => html`<a href=${`#/${name}`} aria-current=${name === at.page ? "page" : undefined}>${text}</a>`)}`,
          )}
        </nav>
        <footer>
          <${Language} /><${Theme} />
          <div class="row between"><${Version} /><button type="button" class="plain" onClick=${signOut}>${t("Sign out")}</button></div>
        </footer>
      </aside>
      <main id="main"><${Page} key=${at.moves} /></main>
    </div>`;
}
