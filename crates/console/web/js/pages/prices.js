import { html, useState } from "../../vendor/preact.js";
import { useAddress } from "../address.js";
import { all, patch, post, remove } from "../api.js";
import { NOTHING } from "../format.js";
import { t } from "../i18n.js";
import { Confirm, Declared, Dialog, Empty, FormEnd, Head, Input, Loaded, Segments, Select, say, text, useData, useForm } from "../ui.js";

const AMOUNTS = [
  ["input", t("Input")], ["output", t("Output")], ["cache_read", t("Cache read")], ["cache_write", t("Cache write")], ["reasoning", t("Reasoning")],
  ["per_request", t("Per request")], ["per_image", t("Per image")], ["per_second", t("Per second")],
];
const SHOWN = AMOUNTS.slice(0, 5);

function PriceForm({ of, providers, onClose, onDone }) {
  const form = useForm({ model_pattern: "", source: "", ...of, provider_id: of?.provider_id ?? "" });
  const send = async (values) => {
    const body = { provider_id: values.provider_id === "" ? null : Number(values.provider_id), model_pattern: values.model_pattern.trim(), source: text(values.source) };
    for (const [name] of AMOUNTS) body[name] = text(values[name]);
    if (of?.id) await patch(`/prices/${of.id}`, body);
    else await post("/prices", body);
    say(t("{name} is saved.", { name: body.model_pattern }));
    onDone();
    onClose();
  };
  return html`<${Dialog} title=${of?.id ? t("Edit {name}", { name: of.model_pattern }) : t("Add a price")} onClose=${onClose}>
    <form class="form" onSubmit=${(event) => form.submit(event, send)}>
      <${Input} form=${form} name="model_pattern" label=${t("Provider's model, or a pattern")} placeholder="gpt-5*" required maxlength="100" autofocus />
      <${Select} form=${form} name="provider_id" label=${t("Provider")} options=${[["", t("all")], ...providers.map((one) => [one.id, one.name])]} />
      <p class="wide muted">${t("USD per million tokens, as decimal numbers; empty is unpriced.")}</p>
      ${AMOUNTS.map(([name, label]) => html`<${Input} form=${form} name=${name} label=${label} inputmode="decimal" />`)}
      <${Input} form=${form} name="source" label=${t("Source, an address")} type="url" wide maxlength="255" />
      <${FormEnd} form=${form} fields=${["model_pattern", "provider_id", "source", ...AMOUNTS.map(([name]) => name)]} verb=${t("Save")} onClose=${onClose} />
    </form>
  <//>`;
}

export function Prices() {
  const [{ builtin }, tell] = useAddress({ builtin: "false" });
  const list = useData((signal) => all(`/prices?builtin=${builtin}`, signal), [builtin]);
  const providers = useData((signal) => all("/providers", signal));
  const [shown, show] = useState(null);
  const close = () => show(null);
  const known = new Map((providers.data ?? []).map((one) => [one.id, one.name]));
  const own = builtin === "false";
  return html`<${Head} title=${t("Prices")} about=${t("USD per million tokens. Your own prices come before the vendors' list prices.")}>
      <${Segments} label=${t("Which prices")} options=${{ false: t("Your own"), true: t("List prices") }} value=${builtin} onChange=${(value) => tell({ builtin: value })} />
      <button type="button" class="primary" onClick=${() => show({ form: null })}>${t("Add a price")}</button>
    <//>
    <section class="card"><${Loaded} of=${list}>${(all) => {
      const rows = all.filter((one) => one.builtin !== own);
      return rows.length === 0
        ? html`<${Empty} title=${t("No price of your own yet")}><p>${t("The list prices hold until you set others.")}</p><//>`
        : html`<div class="scroll" tabindex="0"><table>
            <thead><tr><th>${t("Model")}</th><th>${t("Provider")}</th>${SHOWN.map(([, label]) => html`<th class="number">${label}</th>`)}<th>${t("Source")}</th><th><span class="visually-hidden">${t("Actions")}</span></th></tr></thead>
            <tbody>${rows.map(
              (one) => html`<tr key=${one.id ?? one.model_pattern}><td class="mono nowrap">${one.model_pattern} <${Declared} of=${one} /></td><td>${one.provider_id ? known.get(one.provider_id) : (one.provider_type ?? t("all"))}</td>
                ${SHOWN.map(([name]) => html`<td class="number">${one[name] ?? NOTHING}</td>`)}
                <td><div class="clip small muted" title=${one.source ?? ""}>${one.source} ${one.source_date}</div></td>
                <td class="actions">${own
                  ? html`<button type="button" disabled=${!!one.declared_by} onClick=${() => show({ form: one })}>${t("Edit")}</button> <button type="button" class="danger" disabled=${!!one.declared_by} onClick=${() => show({ gone: one })}>${t("Delete")}</button>`
                  : html`<button type="button" onClick=${() => show({ form: { ...one, id: null, provider_id: null } })}>${t("Override")}</button>`}</td></tr>`,
            )}</tbody>
          </table></div>`;
    }}<//></section>
    ${shown && "form" in shown && html`<${PriceForm} of=${shown.form} providers=${providers.data ?? []} onClose=${close} onDone=${list.reload} />`}
    ${shown?.gone && html`<${Confirm} title=${t("Delete a price")} what=${shown.gone.model_pattern} verb=${t("Delete")} consequence=${t("What was already charged stays as it is.")}
      does=${() => remove(`/prices/${shown.gone.id}`)} onDone=${list.reload} onClose=${close} />`}`;
}
