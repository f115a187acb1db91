import { html, useState } from "../../vendor/preact.js";
import { useAddress } from "../address.js";
import { all, get, put, remove } from "../api.js";
import { count, duration } from "../format.js";
import { Guards, guardFields, guardsOf } from "../guards.js";
import { t } from "../i18n.js";
import { Action, Badge, Check, Declared, Dialog, Empty, FormEnd, Head, Input, Loaded, Select, byName, number, say, useData, useForm } from "../ui.js";
import { STRATEGIES } from "../words.js";

const CLOCKS = () => [
  ["connect_timeout", t("Seconds to connect")], ["first_content_timeout", t("Seconds to the first token")], ["response_timeout", t("Seconds for a whole answer")],
  ["stream_idle_timeout", t("Seconds between events")], ["total_timeout", t("Seconds over all attempts")], ["hedge_after_ms", t("Milliseconds until a second is tried beside it")],
  ["hedge_percentile", t("The same as a percentile")], ["heartbeat_after_ms", t("Milliseconds between heartbeats")],
];
const SWITCHES = { record_bodies: () => t("Record bodies of requests and answers"), skip_malformed_events: () => t("Leave out events that no client could read"), verified_resume: () => t("Resume broken streams where the answer repeats") };

function PolicyForm({ model, of, onClose, onDone }) {
  const form = useForm(of);
  const switches = Object.keys(SWITCHES).filter((name) => name in of);
  const send = async (values) => {
    const body = { strategy: values.strategy };
    for (const [name] of CLOCKS()) if (name in of) body[name] = number(values[name]);
    for (const name of switches) body[name] = values[name];
    body.guards = guardsOf(values.guards);
    await put(`/policies/${model.id}`, body);
    say(t("{name} is saved.", { name: model.name }));
    onDone?.();
    onClose();
  };
  const reset = async () => {
    await remove(`/policies/${model.id}`);
    onDone?.();
    onClose();
  };
  return html`<form class="form" onSubmit=${(event) => form.submit(event, send)}>
    ${of.declared_by && html`<div class="wide note">${t("Declared by {file}: change it there and apply it.", { file: of.declared_by })}</div>`}
    <${Select} form=${form} name="strategy" label=${t("Who comes first")} options=${Object.entries(STRATEGIES)} />
    ${CLOCKS().filter(([name]) => name in of).map(([name, label]) => html`<${Input} form=${form} name=${name} label=${label} type="number" step="any" />`)}
    <div class="wide stack">${switches.map((name) => html`<${Check} form=${form} name=${name} label=${SWITCHES[name]()} />`)}</div>
    <${Guards} form=${form} />
    <div class="wide row between"><${Action} class="danger" disabled=${of.is_default || !!of.declared_by} does=${reset} said=${t("The defaults are in force.")}>${t("Back to the defaults")}<//><span /></div>
    <${FormEnd} form=${form} fields=${["strategy", ...CLOCKS().map(([name]) => name), ...guardFields(form.values.guards)]} verb=${t("Save")} onClose=${onClose} />
  </form>`;
}

export function Policy({ model, onClose, onDone }) {
  const policy = useData((signal) => get(`/policies/${model.id}`, signal));
  return html`<${Dialog} title=${t("Policy of {name}", { name: model.name })} onClose=${onClose}>
    <${Loaded} of=${policy}>${(data) => html`<${PolicyForm} model=${model} of=${data} onClose=${onClose} onDone=${onDone} />`}<//>
  <//>`;
}

/** As many as are listed; each policy is a request of its own. */
const LISTED = 50;

const seconds = (value) => duration(value === null ? null : value * 1000);
const hedge = (of) => (of.hedge_percentile ? t("percentile {number}", { number: of.hedge_percentile }) : duration(of.hedge_after_ms));

export function Policies() {
  const [editing, edit] = useState(null);
  const [{ search }, tell] = useAddress({ search: "" });
  const list = useData(async (signal) => {
    const models = (await all("/models", signal)).sort(byName).filter((one) => one.name.toLowerCase().includes(search.toLowerCase()));
    const listed = models.slice(0, LISTED);
    const policies = await Promise.all(listed.map((one) => get(`/policies/${one.id}`, signal)));
    return { rows: listed.map((model, place) => ({ model, policy: policies[place] })), more: models.length - listed.length };
  }, [search]);
  return html`<${Head} title=${t("Policies")} about=${t("By model: who comes first, how long is waited, and when a second provider is tried beside the first.")}>
      <input type="search" aria-label=${t("Search")} placeholder=${t("Search")} value=${search} onInput=${(event) => tell({ search: event.target.value })} />
    <//>
    <section class="card"><${Loaded} of=${list}>${({ rows, more }) =>
      rows.length === 0
        ? html`<${Empty} title=${search ? t("No model is called so") : t("No model yet")}><a class="button" href="#/models">${t("Models")}</a><//>`
        : html`<div class="scroll" tabindex="0"><table>
            <thead><tr><th>${t("Model")}</th><th>${t("Who comes first")}</th><th class="number">${t("To connect")}</th><th class="number">${t("First token")}</th><th class="number">${t("Whole answer")}</th>
              <th class="number">${t("Between events")}</th><th class="number">${t("Second beside it")}</th><th class="number">${t("Heartbeats")}</th><th><span class="visually-hidden">${t("Actions")}</span></th></tr></thead>
            <tbody>${rows.map(({ model, policy }) => html`<tr key=${model.id}>
              <td class="nowrap"><strong>${model.name}</strong> ${!policy.is_default && html`<${Badge} bare kind="good">${t("set")}<//>`} <${Declared} of=${policy} /></td><td class="nowrap">${STRATEGIES[policy.strategy] ?? policy.strategy}</td>
              <td class="number">${seconds(policy.connect_timeout)}</td><td class="number">${seconds(policy.first_content_timeout)}</td><td class="number">${seconds(policy.response_timeout)}</td>
              <td class="number">${seconds(policy.stream_idle_timeout)}</td><td class="number">${hedge(policy)}</td><td class="number">${duration(policy.heartbeat_after_ms)}</td>
              <td class="actions"><button type="button" disabled=${!!policy.declared_by} onClick=${() => edit(model)}>${t("Edit")}</button></td>
            </tr>`)}</tbody>
          </table></div>
          ${more > 0 && html`<p class="muted">${t("{count} more; search to see them.", { count: count(more) })}</p>`}`}<//></section>
    ${editing && html`<${Policy} model=${editing} onClose=${() => edit(null)} onDone=${list.reload} />`}`;
}
