import { html } from "../../vendor/preact.js";
import { useAddress } from "../address.js";
import { all, get, query } from "../api.js";
import { percent } from "../format.js";
import { t } from "../i18n.js";
import { Badge, Check, Empty, Head, Loaded, byName, useData } from "../ui.js";
import { STRATEGIES } from "../words.js";

function Candidates({ of, title, empty }) {
  return html`<section class="card"><header><h2>${title}</h2></header>
    ${of.length === 0
      ? html`<p class="muted">${empty}</p>`
      : html`<div class="scroll" tabindex="0"><table>
          <thead><tr><th class="number">${t("Order")}</th><th>${t("Provider")}</th><th>${t("Provider's model")}</th><th class="number">${t("Tier")}</th><th class="number">${t("Weight")}</th><th>${t("Share of its tier")}</th><th>${t("Why")}</th></tr></thead>
          <tbody>${of.map(
            (one) => html`<tr key=${one.model_provider_id}>
              <td class="number">${one.position ?? "–"}</td><td class="nowrap"><strong>${one.provider}</strong></td><td class="mono nowrap">${one.provider_model}</td>
              <td class="number">${one.tier ?? "–"} <span class="muted small">(${one.priority})</span></td><td class="number">${one.weight}</td>
              <td class="nowrap">${one.share_percent === null ? "–" : html`${percent(one.share_percent / 100)}`}</td>
              <td>${one.spare && html`<${Badge} bare>${t("only when all else fails")}<//>`} ${one.trial && html`<${Badge} bare kind="warn">${t("on trial")}<//>`} ${one.reason?.message}</td>
            </tr>`,
          )}</tbody>
        </table></div>`}
  </section>`;
}

export function RouteExplorer() {
  const models = useData(async (signal) => (await all("/models", signal)).sort(byName));
  const keys = useData((signal) => all("/keys", signal));
  const [told, tell] = useAddress({ model: "", tools: "false", image: "false", structured: "false", key: "" });
  const needs = Object.fromEntries(["tools", "image", "structured"].map((name) => [name, told[name] === "true"]));
  const form = { values: needs, set: (name, value) => tell({ [name]: String(value) }) };
  const model = told.model || models.data?.[0]?.name || "";
  const { tools, image, structured } = needs;
  const { key } = told;
  const route = useData(
    (signal) => (model ? get(query("/route", { model, tools, image, structured, key }), signal) : null),
    [model, tools, image, structured, key],
    2000,
  );
  return html`<${Head} title=${t("Route explorer")} about=${t("What would happen to a request now: nothing is sent.")} />
    <${Loaded} of=${models}>${(list) =>
      list.length === 0
        ? html`<section class="card"><${Empty} title=${t("No model yet")}><a class="button" href="#/models">${t("Add a model")}</a><//></section>`
        : html`<section class="card"><div class="filters">
              <div class="field"><label for="route-model">${t("Model")}</label>
                <select id="route-model" onChange=${(event) => form.set("model", event.target.value)}>${list.map((one) => html`<option value=${one.name} selected=${one.name === model}>${one.name}</option>`)}</select></div>
              <div class="field"><label for="route-key">${t("Client key")}</label>
                <select id="route-key" onChange=${(event) => form.set("key", event.target.value)}><option value="">${t("any")}</option>${(keys.data ?? []).map((one) => html`<option value=${one.name} selected=${one.name === key}>${one.name}</option>`)}</select></div>
              <${Check} form=${form} name="tools" label=${t("has tools")} />
              <${Check} form=${form} name="structured" label=${t("wants structured output")} />
              <${Check} form=${form} name="image" label=${t("has images")} />
            </div></section>
            <${Loaded} of=${route}>${(found) => found && html`
              ${found.refusal
                ? html`<div class="note bad" role="status">${t("It would be refused: {reason}", { reason: found.refusal.message })}</div>`
                : html`<div class="note" role="status">${t("Strategy: {strategy}.", { strategy: STRATEGIES[found.strategy] ?? found.strategy })} ${found.forced ? t("As no other is left, the first would be tried whatever its health.") : ""}</div>`}
              <${Candidates} of=${found.candidates.filter((one) => one.included).sort((one, other) => (one.position ?? 99) - (other.position ?? 99))} title=${t("Tried, in this order")} empty=${t("Nobody")} />
              <${Candidates} of=${found.candidates.filter((one) => !one.included)} title=${t("Left out")} empty=${t("Nobody is left out")} />`}<//>`}<//>`;
}
