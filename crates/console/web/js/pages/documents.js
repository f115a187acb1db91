import { html, useRef, useState } from "../../vendor/preact.js";
import { download, query, upload } from "../api.js";
import { t } from "../i18n.js";
import { Action, Badge, Confirm, Empty, Field, Head, Segments, say } from "../ui.js";

const XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";
/** What a file is, by the end of its name. */
const TYPES = {
  json: "application/json", toml: "application/toml", xlsx: XLSX, yaml: "application/yaml", yml: "application/yaml",
  db: "application/vnd.sqlite3", sqlite: "application/vnd.sqlite3", sqlite3: "application/vnd.sqlite3",
};
/** Whose file it is, where its name does not tell. */
const ORIGINS = [["", t("by its name")], ["litellm", "LiteLLM: config.yaml"], ["llmio", "llmio: SQLite"], ["one-api", "one-api: SQLite, JSON"], ["new-api", "new-api: SQLite, JSON"]];
const EXPORTS = { json: "JSON", toml: "TOML", xlsx: t("Excel workbook") };

/** Header values are bytes: those of UTF-8 are sent as such. */
const sealedUnder = (passphrase) =>
  passphrase ? { "x-gateway-passphrase": String.fromCharCode(...new TextEncoder().encode(passphrase)) } : {};

function Passphrase({ value, onInput, hint }) {
  return html`<${Field} label=${t("Passphrase")} hint=${hint}>
    ${(given) => html`<input ...${given} type="password" autocomplete="off" value=${value} onInput=${(event) => onInput(event.target.value)} />`}
  <//>`;
}

function Export() {
  const [format, setFormat] = useState("json");
  const [sealed, setSealed] = useState(false);
  const [passphrase, setPassphrase] = useState("");
  const save = () =>
    download(query("/export", { format, secrets: sealed ? "sealed" : null }), `gateway.${format}`, sealed ? sealedUnder(passphrase) : {});
  return html`<section class="card stack" aria-label=${t("Export")}>
    <h2>${t("Export")}</h2>
    <p class="muted">${t("Providers, models, associations, policies, prices and client keys as one document. Imported as it is, it changes nothing.")}</p>
    <div class="row"><${Segments} label=${t("Format")} options=${EXPORTS} value=${format} onChange=${setFormat} /></div>
    <div class="check"><input type="checkbox" id="sealed" checked=${sealed} onChange=${(event) => setSealed(event.target.checked)} />
      <label for="sealed">${t("With provider keys, sealed under a passphrase")}</label></div>
    ${sealed && html`<${Passphrase} value=${passphrase} onInput=${setPassphrase} hint=${t("At least 12 characters. Whoever has it and the document has the keys.")} />`}
    <div class="row">
      <${Action} class="primary" does=${save} disabled=${sealed && [...passphrase].length < 12}>${t("Download")}<//>
      <${Action} does=${() => download("/import/template.xlsx", "template.xlsx")}>${t("Workbook to fill in")}<//>
    </div>
  </section>`;
}

/** Where something stands: in a cell, or at a path. */
function place(one) {
  if (!one.sheet) return one.path || t("the document");
  return [one.sheet, one.row && t("row {row}", one), one.column && t("column {column}", one)].filter(Boolean).join(", ");
}

function Places({ label, of }) {
  return html`<div class="scroll" tabindex="0"><table aria-label=${label}>
    <thead><tr><th>${t("Where")}</th><th>${t("What")}</th></tr></thead>
    <tbody>${of.map((one) => html`<tr><td class="mono">${place(one)}</td><td>${one.message}</td></tr>`)}</tbody>
  </table></div>`;
}

const ACTIONS = { create: ["good", t("new")], update: ["warn", t("changed")], delete: ["bad", t("deleted")] };
const KINDS = {
  provider: t("Provider"), model: t("Model"), association: t("Association"), policy: t("Policy"), price: t("Price"), key: t("Key"),
};
const shown = (value) => (value === null ? "–" : typeof value === "string" ? value : JSON.stringify(value));

function Fields({ of, isNew }) {
  return of.map((one) => html`<div class="small"><span class="muted">${one.field}</span> ${!isNew && html`<del>${shown(one.before)}</del> → `}<ins>${shown(one.after)}</ins></div>`);
}

function Changes({ of }) {
  const { summary } = of;
  const most = 500;
  return html`<div class="row" role="status">
      <${Badge} kind="good">${t("{count} new", { count: summary.create })}<//><${Badge} kind="warn">${t("{count} changed", { count: summary.update })}<//>
      <${Badge} kind="bad">${t("{count} deleted", { count: summary.delete })}<//><${Badge}>${t("{count} as they are", { count: summary.unchanged })}<//>
    </div>
    ${of.changes.length > 0 && html`<div class="scroll" tabindex="0"><table aria-label=${t("Changes")}>
      <thead><tr><th>${t("What")}</th><th>${t("Kind")}</th><th>${t("Name")}</th><th>${t("Fields")}</th></tr></thead>
      <tbody>${of.changes.slice(0, most).map(
        (one) => html`<tr><td><${Badge} kind=${ACTIONS[one.action][0]}>${ACTIONS[one.action][1]}<//></td><td>${KINDS[one.kind]}</td>
          <td><strong>${one.name}</strong></td><td><${Fields} of=${one.fields} isNew=${one.action === "create"} /></td></tr>`,
      )}</tbody>
    </table></div>`}
    ${of.changes.length > most && html`<p class="muted">${t("{count} more are not shown.", { count: of.changes.length - most })}</p>`}
    ${of.warnings.length > 0 && html`<h3>${t("What to know")}</h3><${Places} label=${t("What to know")} of=${of.warnings} />`}`;
}

function Import() {
  const file = useRef(null);
  const [chosen, choose] = useState({ name: "", format: "", mode: "merge", prune: false, passphrase: "" });
  const [report, setReport] = useState(null);
  const [error, setError] = useState(null);
  const [asked, ask] = useState(false);
  // What was told holds for what was asked, and for nothing else.
  const set = (change) => {
    choose({ ...chosen, ...change });
    setReport(null);
    setError(null);
  };
  const send = async (dryRun) => {
    const [given] = file.current.files;
    const path = query("/import", { dry_run: dryRun, format: chosen.format, mode: chosen.mode, prune: chosen.prune });
    const type = TYPES[given.name.split(".").at(-1).toLowerCase()] ?? "application/octet-stream";
    return upload(path, given, type, sealedUnder(chosen.passphrase));
  };
  const look = async () => {
    setError(null);
    setReport(null);
    try {
      setReport(await send(true));
    } catch (failure) {
      setError(failure);
    }
  };
  const done = async () => {
    setReport(await send(false));
    say(t("The document is imported."));
  };
  const apply = () => done().catch((failure) => {
    setReport(null);
    setError(failure);
  });
  const gone = report?.changes.filter((one) => one.action === "delete") ?? [];
  const isOpen = report?.dry_run && report.changes.length > 0;
  return html`<section class="card stack" aria-label=${t("Import")}>
    <h2>${t("Import")}</h2>
    <p class="muted">${t("All of it or nothing. Look first: nothing is changed before you have seen what would.")}</p>
    <div class="form">
      <${Field} label=${t("File")} hint=${t("JSON, TOML, an Excel workbook, or the configuration of another gateway.")}>
        ${(given) => html`<input ...${given} ref=${file} type="file" accept=".json,.toml,.xlsx,.yaml,.yml,.db,.sqlite,.sqlite3" onChange=${(event) => set({ name: event.target.files[0]?.name ?? "" })} />`}
      <//>
      <${Field} label=${t("Written by")} hint=${t("What cannot be carried over is told before anything changes.")}>
        ${(given) => html`<select ...${given} value=${chosen.format} onChange=${(event) => set({ format: event.target.value })}>
          ${ORIGINS.map(([value, text]) => html`<option value=${value} selected=${value === chosen.format}>${text}</option>`)}
        </select>`}
      <//>
      <${Field} label=${t("Fields that are not named")}>
        ${(given) => html`<select ...${given} value=${chosen.mode} onChange=${(event) => set({ mode: event.target.value })}>
          <option value="merge">${t("stay as they are")}</option><option value="replace">${t("take their defaults")}</option>
        </select>`}
      <//>
      <${Passphrase} value=${chosen.passphrase} onInput=${(passphrase) => set({ passphrase })} hint=${t("Only where the document's keys are sealed.")} />
    </div>
    <div class="check"><input type="checkbox" id="prune" checked=${chosen.prune} onChange=${(event) => set({ prune: event.target.checked })} />
      <label for="prune">${t("Delete what the document's sections do not name")}</label></div>
    <div class="row">
      <${Action} class=${isOpen ? "" : "primary"} does=${look} disabled=${!chosen.name}>${t("See what would change")}<//>
      ${isOpen && html`<${Action} class="primary" does=${gone.length ? async () => ask(true) : apply}>${t("Import it")}<//>`}
    </div>
    ${error && html`<div class="note bad" role="alert">${error.message}</div>`}
    ${error?.faults && html`<${Places} label=${t("Faults")} of=${error.faults} />`}
    ${report && report.changes.length === 0 && html`<${Empty} title=${t("Nothing changes")}><p>${t("The gateway is as the document says.")}</p><//>`}
    ${report && html`<h3>${report.dry_run ? t("This would change") : t("This was changed")}</h3><${Changes} of=${report} />`}
    ${asked && html`<${Confirm} title=${t("Import and delete")} verb=${t("Import")} what=${gone.map((one) => `${KINDS[one.kind]} ${one.name}`).join(", ")}
      consequence=${t("What is named here is deleted. Logs and figures stay.")} does=${done} onClose=${() => ask(false)} />`}
  </section>`;
}

export const Documents = () =>
  html`<${Head} title=${t("Import and export")} about=${t("The whole configuration as a file: to keep, to compare, to bring to another gateway.")} />
    <${Import} /><${Export} />`;
