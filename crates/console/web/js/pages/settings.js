import { html } from "../../vendor/preact.js";
import { get } from "../api.js";
import { t } from "../i18n.js";
import { Badge, Head, Loaded, useData } from "../ui.js";

const SOURCES = { flag: t("flag"), environment: t("environment"), file: t("file"), default: t("default") };

export function Settings() {
  const settings = useData((signal) => get("/settings", signal));
  return html`<${Head} title=${t("Settings")} about=${t("What this gateway was started with. Settings change at a restart; all else is changed here, at once.")} />
    <section class="card"><${Loaded} of=${settings}>${({ data }) => html`<div class="scroll" tabindex="0"><table>
      <thead><tr><th>${t("Setting")}</th><th>${t("Value")}</th><th>${t("From")}</th><th>${t("About")}</th></tr></thead>
      <tbody>${data.map(
        (one) => html`<tr><td class="mono">${one.name}</td><td class="mono">${one.value ?? "–"}</td>
          <td><${Badge} bare kind=${one.source === "default" ? "" : "good"}>${SOURCES[one.source] ?? one.source}<//></td><td class="muted small prose">${one.about}</td></tr>`,
      )}</tbody>
    </table></div>`}<//></section>`;
}
