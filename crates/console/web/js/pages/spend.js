import { html, useMemo } from "../../vendor/preact.js";
import { useAddress } from "../address.js";
import { download, get, query } from "../api.js";
import { Chart } from "../chart.js";
import { count, short, unpriced, usd } from "../format.js";
import { t } from "../i18n.js";
import { Action, Empty, Head, Loaded, Segments, useData } from "../ui.js";

const GROUPS = { key: t("Key"), model: t("Model"), provider: t("Provider"), day: t("Day") };
const DAYS = { 1: t("Today"), 7: t("7 days"), 30: t("30 days"), 90: t("90 days") };

const day = (daysAgo) => new Date(Date.now() - daysAgo * 86_400_000).toISOString().slice(0, 10);
const named = (group, by) => (by === "day" ? group.date : group[by]) ?? t("none");

function Days({ data }) {
  const lines = useMemo(() => {
    const sorted = [...data].sort((one, other) => (one.date < other.date ? -1 : 1));
    return {
      times: sorted.map((one) => Date.parse(one.date) / 1000),
      cost: [{ label: t("Cost"), colour: "chart-1", fill: true, values: sorted.map((one) => Number(one.cost ?? 0)) }],
    };
  }, [data]);
  return html`<section class="card"><header><h2>${t("Cost by day")}</h2></header>
    <${Chart} times=${lines.times} lines=${lines.cost} format=${usd} summary=${t("Cost by day")} /></section>`;
}

export function Spend() {
  const [chosen, tell] = useAddress({ by: "key", days: "30" });
  const by = chosen.by in GROUPS ? chosen.by : "key";
  const days = chosen.days in DAYS ? Number(chosen.days) : 30;
  const range = { from: day(days - 1), to: day(0) };
  const usage = useData((signal) => get(query("/usage", { group_by: by, ...range }), signal), [by, days], 10_000);
  const daily = useData((signal) => get(query("/usage", { group_by: "day", ...range }), signal), [days], 10_000);
  const save = () => download(query("/usage", { group_by: by, ...range, format: "csv" }), `usage-by-${by}.csv`);
  return html`<${Head} title=${t("Spend")} about=${t("Tokens and cost by UTC day, exact to the nano-dollar, as the rows have them.")}>
      <${Segments} label=${t("Time range")} options=${DAYS} value=${days} onChange=${(value) => tell({ days: value })} />
      <${Action} does=${save}>${t("Save as CSV")}<//>
    <//>
    ${daily.data && daily.data.data.length > 1 && html`<${Days} data=${daily.data.data} />`}
    <section class="card">
      <header><h2>${t("Usage")}</h2><${Segments} label=${t("Group by")} options=${GROUPS} value=${by} onChange=${(value) => tell({ by: value })} /></header>
      <div class=${usage.stale ? "stale" : ""}><${Loaded} of=${usage}>${({ data, group_by }) =>
        data.length === 0
          ? html`<${Empty} title=${t("Nothing was used in this time")} />`
          : html`<div class="scroll" tabindex="0"><table>
              <thead><tr><th>${GROUPS[group_by]}</th><th class="number">${group_by === "model" ? t("Requests") : t("Attempts")}</th><th class="number">${t("Tokens in")}</th><th class="number">${t("Tokens out")}</th><th class="number">${t("Cost")}</th></tr></thead>
              <tbody>${data.map(
                (one) => html`<tr key=${named(one, group_by)}><td class="nowrap">${named(one, group_by)}</td><td class="number">${count(one.requests ?? one.attempts)}</td>
                  <td class="number">${short(one.prompt_tokens)}</td><td class="number">${short(one.completion_tokens)}</td><td class="number" title=${one.cost ?? ""}>${unpriced(one.cost)}</td></tr>`,
              )}</tbody>
            </table></div>`}<//></div>
    </section>`;
}
