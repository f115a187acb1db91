import { html, useState } from "../../vendor/preact.js";
import { all, get, patch, post, query, remove } from "../api.js";
import { AllChosen, Batch, Chosen, useChosen } from "../batch.js";
import { ago, duration, time } from "../format.js";
import { t } from "../i18n.js";
import { Action, Badge, Check, Confirm, Declared, Dialog, Empty, FormEnd, Head, Input, Loaded, Select, State, byName, number, say, text, useData, useForm } from "../ui.js";
import { reason } from "../words.js";

const TYPES = ["openai", "anthropic", "gemini", "azure", "bedrock", "vertex"];

/** What a type needs beside address and key: field, label, hint. */
const OWN = {
  azure: [["api_version", t("API version")]],
  bedrock: [["region", t("Region")], ["access_key_id", t("Access key id")], ["secret_access_key", t("Secret access key")], ["session_token", t("Session token")]],
  vertex: [["project", t("Project")], ["location", t("Location")], ["service_account", t("Service account")]],
};
const FIELDS = ["name", "type", "config.base_url", "config.api_key", "config.priority", "config.weight", "config.max_concurrent", "config.rpm", "config.tpm", "config.proxy", "config.ca_file", "config.headers",
  ...Object.values(OWN).flat().map(([name]) => `config.${name}`)];

const written = (headers) => Object.entries(headers ?? {}).map(([name, value]) => `${name}: ${value}`).join("\n");
const headersOf = (lines) =>
  Object.fromEntries(
    (lines ?? "").split("\n").filter((line) => line.includes(":")).map((line) => {
      const at = line.indexOf(":");
      return [line.slice(0, at).trim(), line.slice(at + 1).trim()];
    }),
  );

function ProviderForm({ of, onClose, onDone }) {
  const config = of?.config ?? {};
  const form = useForm({
    priority: 100, weight: 100, ...config, name: of?.name ?? "", type: of?.type ?? "openai", enabled: of?.enabled ?? true, headers: written(config.headers),
  });
  const own = OWN[form.values.type] ?? [];
  const send = async (values) => {
    const next = {
      base_url: text(values.base_url), api_key: text(values.api_key), priority: number(values.priority), weight: number(values.weight),
      max_concurrent: number(values.max_concurrent), rpm: number(values.rpm), tpm: number(values.tpm), proxy: text(values.proxy), ca_file: text(values.ca_file),
    };
    for (const [name] of own) next[name] = text(values[name]);
    const headers = headersOf(values.headers);
    // In a merge patch what is to go has to be named.
    if (of) for (const name of Object.keys(config.headers ?? {})) headers[name] ??= null;
    if (of || Object.keys(headers).length) next.headers = headers;
    const body = { name: values.name.trim(), type: values.type, enabled: values.enabled };
    const kept = Object.fromEntries(Object.entries(next).filter(([name, value]) => value !== null || (of && config[name] !== null && config[name] !== undefined)));
    if (of) await patch(`/providers/${of.id}`, { ...body, config: kept });
    else await post("/providers", { ...body, config: kept });
    say(t("{name} is saved.", { name: body.name }));
    onDone();
    onClose();
  };
  return html`<${Dialog} title=${of ? t("Edit {name}", { name: of.name }) : t("Add a provider")} onClose=${onClose}>
    <form class="form" onSubmit=${(event) => form.submit(event, send)}>
      <${Input} form=${form} name="name" label=${t("Name")} required maxlength="100" autofocus />
      <${Select} form=${form} name="type" label=${t("Type")} options=${TYPES.map((type) => [type, type])} />
      <${Input} form=${form} name="base_url" field="config.base_url" label=${t("Address")} wide placeholder="https://"
        hint=${t("As this vendor's SDK takes it; empty is the vendor's own.")} />
      <${Input} form=${form} name="api_key" field="config.api_key" label=${t("API key")} wide autocomplete="off"
        hint=${t("The key itself, or where it is found: env:NAME or file:/path. It is sealed and never shown again.")} />
      ${own.map(([name, label]) => html`<${Input} form=${form} name=${name} field=${`config.${name}`} label=${label} autocomplete="off" />`)}
      <${Input} form=${form} name="priority" field="config.priority" label=${t("Priority")} type="number" hint=${t("Higher comes first.")} />
      <${Input} form=${form} name="weight" field="config.weight" label=${t("Weight")} type="number" hint=${t("Its share among the same priority.")} />
      <${Input} form=${form} name="max_concurrent" field="config.max_concurrent" label=${t("At most at once")} type="number" hint=${t("Empty is without limit.")} />
      <${Input} form=${form} name="rpm" field="config.rpm" label=${t("Requests a minute")} type="number" hint=${t("Beyond its limits it is passed over.")} />
      <${Input} form=${form} name="tpm" field="config.tpm" label=${t("Tokens a minute")} type="number" hint=${t("Empty is without limit.")} />
      <details class="wide"><summary>${t("More")}</summary><div class="form">
        <${Input} form=${form} name="proxy" field="config.proxy" label=${t("Egress proxy")} placeholder="http://proxy:3128" />
        <${Input} form=${form} name="ca_file" field="config.ca_file" label=${t("File of certificate authorities")} />
        <div class="field wide"><label for="headers">${t("Headers, one on each line")}</label>
          <textarea id="headers" class="mono" value=${form.values.headers} onInput=${(event) => form.set("headers", event.target.value)} aria-invalid=${form.fault("config.headers") ? "true" : undefined} />
          ${form.fault("config.headers") && html`<div class="fault" role="alert">${form.fault("config.headers")}</div>`}</div>
      </div></details>
      <div class="wide"><${Check} form=${form} name="enabled" label=${t("Enabled")} /></div>
      <${FormEnd} form=${form} fields=${FIELDS} verb=${t("Save")} onClose=${onClose} />
    </form>
  <//>`;
}

function ImportModels({ of, onClose }) {
  const offered = useData((signal) => get(`/providers/${of.id}/models`, signal));
  const [chosen, choose] = useState(new Set());
  const [search, setSearch] = useState("");
  const [done, setDone] = useState(null);
  const toggle = (id) => {
    const next = new Set(chosen);
    if (!next.delete(id)) next.add(id);
    choose(next);
  };
  const send = async () => setDone(await post(`/providers/${of.id}/import-models`, { models: [...chosen] }));
  if (done) {
    return html`<${Dialog} title=${t("Models of {name}", { name: of.name })} onClose=${onClose}>
      <div class="note good">${t("{count} models were added.", { count: done.created.length })}</div>
      ${done.skipped.map((one) => html`<p class="muted">${one.model}: ${one.reason}</p>`)}
      <div class="end"><a class="button" href="#/models">${t("See the models")}</a><button type="button" class="primary" onClick=${onClose}>${t("Close")}</button></div>
    <//>`;
  }
  return html`<${Dialog} title=${t("Models of {name}", { name: of.name })} onClose=${onClose}>
    <${Loaded} of=${offered}>${({ data }) => {
      const shown = data.filter((one) => one.id.toLowerCase().includes(search.toLowerCase()));
      return html`<input type="search" aria-label=${t("Search")} placeholder=${t("Search")} value=${search} onInput=${(event) => setSearch(event.target.value)} />
        <div class="row"><button type="button" onClick=${() => choose(new Set(shown.map((one) => one.id)))}>${t("Choose all shown")}</button>
          <button type="button" onClick=${() => choose(new Set())}>${t("Choose none")}</button></div>
        <div class="stack">${shown.map((one, place) => html`<div class="check"><input type="checkbox" id=${`offered-${place}`} checked=${chosen.has(one.id)} onChange=${() => toggle(one.id)} /><label for=${`offered-${place}`} class="mono">${one.id}</label></div>`)}</div>
        <div class="end"><${Action} class="primary" disabled=${chosen.size === 0} does=${send}>${t("Add {count} models", { count: chosen.size })}<//></div>`;
    }}<//>
  <//>`;
}

function About({ of, health, onClose }) {
  const one = health?.providers.find((it) => it.provider_id === of.id);
  const associations = useData((signal) => all(query("/model-providers", { provider_id: of.id }), signal));
  const transitions = useData((signal) => get(`/providers/${of.id}/transitions`, signal), [one?.state]);
  const fact = (label, value) => value !== null && value !== undefined && html`<dt>${label}</dt><dd>${value}</dd>`;
  return html`<${Dialog} title=${of.name} onClose=${onClose}>
    <dl>
      <dt>${t("State")}</dt><dd><${State} of=${one?.state} enabled=${of.enabled} problem=${of.problem} /></dd>
      ${fact(t("Problem"), of.problem)}${fact(t("Why"), one?.reason && reason(one.reason))}${fact(t("Last error"), one?.last_error)}
      ${fact(t("Its status"), one?.last_status_code)}${fact(t("Failures in a row"), one?.error_count)}
      ${fact(t("Tried again"), one?.next_retry_at && time(one.next_retry_at))}
      ${fact(t("Last success"), one?.last_success_at && time(one.last_success_at))}
      ${fact(t("Last probe"), one?.last_validated_at && time(one.last_validated_at))}
      ${fact(t("Address"), html`<code>${of.config.base_url ?? t("the vendor's own")}</code>`)}${fact(t("API key"), of.config.api_key)}
      ${fact(t("Requests a minute"), of.config.rpm)}${fact(t("Tokens a minute"), of.config.tpm)}${fact(t("At most at once"), of.config.max_concurrent)}
      ${fact(t("Changed"), time(of.updated_at))}
    </dl>
    <h3>${t("Changes of its state")}</h3>
    <${Loaded} of=${transitions}>${({ data }) =>
      data.length === 0
        ? html`<p class="muted">${t("None yet.")}</p>`
        : html`<ol class="stack transitions">${data.map((change) => html`<li class="row">
            <span class="muted small nowrap">${time(change.at)}</span><${State} of=${change.from} enabled /><span aria-hidden="true">→</span><${State} of=${change.to} enabled />
            <span class="small">${[reason(change.reason), change.error].filter(Boolean).join(": ")}</span></li>`)}</ol>`}<//>
    <h3>${t("Models")}</h3>
    <${Loaded} of=${associations}>${(list) => html`<div class="stack">${list.map((association) => {
      const state = one?.associations.find((it) => it.model_provider_id === association.id);
      return html`<div class="row between"><span class="mono">${association.provider_model}</span><span class="row"><span class="muted small">${duration(state?.latency_ms)}</span><${State} of=${state?.state} enabled=${association.enabled} /></span></div>`;
    })}</div>`}<//>
  <//>`;
}

/** As they are tried: the higher priority first. */
const byRank = (one, other) => other.config.priority - one.config.priority || byName(one, other);

const CHECKED = (result) =>
  result.ok ? t("It answers, after {time}.", { time: duration(result.latency_ms) }) : t("It does not answer: {reason}", { reason: result.error ?? result.verdict });

export function Providers() {
  const list = useData(async (signal) => (await all("/providers", signal)).sort(byRank), [], 5000);
  const health = useData((signal) => get("/health", signal), [], 1500);
  const [shown, show] = useState(null);
  const chosen = useChosen(list.data ?? []);
  const close = () => show(null);
  const states = new Map(health.data?.providers.map((one) => [one.provider_id, one]));
  const check = (one) => async () => {
    const result = await post(`/providers/${one.id}/check`);
    say(`${one.name}: ${CHECKED(result)}`, result.ok ? "good" : "bad");
    health.reload();
  };
  const enable = (one) => async () => {
    await patch(`/providers/${one.id}`, { enabled: !one.enabled });
    list.reload();
  };
  return html`<${Head} title=${t("Providers")} about=${t("Accounts and servers that answer. A key given here is sealed before it is stored.")}>
      <button type="button" class="primary" onClick=${() => show({ form: null })}>${t("Add a provider")}</button>
    <//>
    <section class="card"><${Loaded} of=${list}>${(rows) =>
      rows.length === 0
        ? html`<${Empty} title=${t("No provider yet")}><p>${t("Add one, test it, and import the models that it offers.")}</p>
            <button type="button" class="primary" onClick=${() => show({ form: null })}>${t("Add a provider")}</button><//>`
        : html`<${Batch} path="/providers" chosen=${chosen} name=${(one) => one.name} hasWeight more=${{ force: true }} onDone=${list.reload}
              consequence=${t("Their associations with models go with them. Logs and figures stay.")} />
            <div class="scroll" tabindex="0"><table>
            <thead><tr><th><${AllChosen} chosen=${chosen} rows=${rows} /></th><th>${t("Name")}</th><th>${t("State")}</th><th>${t("Type")}</th><th class="number">${t("Priority")}</th><th class="number">${t("Weight")}</th><th>${t("Last success")}</th><th><span class="visually-hidden">${t("Actions")}</span></th></tr></thead>
            <tbody>${rows.map((one) => {
              const state = states.get(one.id);
              return html`<tr key=${one.id}>
                <td><${Chosen} chosen=${chosen} row=${one} name=${one.name} /></td>
                <td class="nowrap"><button type="button" class="plain" onClick=${() => show({ about: one })}>${one.name}</button> <${Declared} of=${one} /></td>
                <td><${State} of=${state?.state} enabled=${one.enabled} problem=${one.problem} />
                  ${(one.problem || (state && state.state !== "healthy")) && html`<div class="small muted clip" title=${one.problem ?? state.last_error ?? ""}>${one.problem ?? [reason(state.reason), state.last_error].filter(Boolean).join(": ")}</div>`}</td>
                <td><${Badge} bare>${one.type}<//></td>
                <td class="number">${one.config.priority}</td><td class="number">${one.config.weight}</td>
                <td class="nowrap">${ago(state?.last_success_at)}</td>
                <td class="actions">
                  <${Action} does=${check(one)}>${t("Test")}<//> <button type="button" onClick=${() => show({ models: one })}>${t("Import models")}</button>
                  ${" "}<${Action} disabled=${!!one.declared_by} does=${enable(one)} said=${one.enabled ? t("{name} is disabled.", { name: one.name }) : t("{name} is enabled.", { name: one.name })}>${one.enabled ? t("Disable") : t("Enable")}<//>
                  ${" "}<button type="button" disabled=${!!one.declared_by} onClick=${() => show({ form: one })}>${t("Edit")}</button>
                  ${" "}<button type="button" class="danger" disabled=${!!one.declared_by} onClick=${() => show({ gone: one })}>${t("Delete")}</button>
                </td>
              </tr>`;
            })}</tbody>
          </table></div>`}<//></section>
    ${shown && "form" in shown && html`<${ProviderForm} of=${shown.form} onClose=${close} onDone=${list.reload} />`}
    ${shown?.models && html`<${ImportModels} of=${shown.models} onClose=${close} />`}
    ${shown?.about && html`<${About} of=${shown.about} health=${health.data} onClose=${close} />`}
    ${shown?.gone && html`<${Confirm} title=${t("Delete a provider")} what=${shown.gone.name} verb=${t("Delete")}
      consequence=${t("Its associations with models go with it. Logs and figures stay.")}
      does=${() => remove(`/providers/${shown.gone.id}?force=true`)} onDone=${list.reload} onClose=${close} />`}`;
}
