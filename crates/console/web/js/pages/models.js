import { html, useEffect, useRef, useState } from "../../vendor/preact.js";
import { useAddress } from "../address.js";
import { all, get, patch, post, remove } from "../api.js";
import { AllChosen, Batch, Chosen, useChosen } from "../batch.js";
import { duration, percent, time } from "../format.js";
import { t } from "../i18n.js";
import { Action, Badge, Check, Confirm, Declared, Dialog, Empty, FormEnd, Head, Input, Loaded, Select, State, byName, number, say, text, useData, useForm } from "../ui.js";
import { Policy } from "./policies.js";

function ModelForm({ of, onClose, onDone }) {
  const form = useForm({ name: "", remark: "", max_retry: 3, timeout: 30, enabled: true, ...of });
  const send = async (values) => {
    const body = { name: values.name.trim(), remark: text(values.remark), max_retry: number(values.max_retry), timeout: number(values.timeout), enabled: values.enabled };
    if (of) await patch(`/models/${of.id}`, body);
    else await post("/models", body);
    say(t("{name} is saved.", { name: body.name }));
    onDone();
    onClose();
  };
  return html`<${Dialog} title=${of ? t("Edit {name}", { name: of.name }) : t("Add a model")} onClose=${onClose}>
    <form class="form" onSubmit=${(event) => form.submit(event, send)}>
      <${Input} form=${form} name="name" label=${t("Name")} hint=${t("What clients ask for.")} required maxlength="100" autofocus />
      <${Input} form=${form} name="remark" label=${t("Remark")} maxlength="255" />
      <${Input} form=${form} name="max_retry" label=${t("Further attempts at most")} type="number" />
      <${Input} form=${form} name="timeout" label=${t("Seconds to the first token")} type="number" />
      <div class="wide"><${Check} form=${form} name="enabled" label=${t("Enabled")} /></div>
      <${FormEnd} form=${form} fields=${["name", "remark", "max_retry", "timeout"]} verb=${t("Save")} onClose=${onClose} />
    </form>
  <//>`;
}

function AssociationForm({ of, model, providers, onClose, onDone }) {
  const form = useForm({ provider_id: providers[0]?.id ?? "", provider_model: model.name, weight: 1, tool_call: true, structured_output: true, image: false, enabled: true, ...of });
  const send = async (values) => {
    const body = {
      provider_id: Number(values.provider_id), provider_model: values.provider_model.trim(), weight: number(values.weight),
      tool_call: values.tool_call, structured_output: values.structured_output, image: values.image, enabled: values.enabled,
    };
    if (of) await patch(`/model-providers/${of.id}`, body);
    else await post("/model-providers", { ...body, model_id: model.id });
    say(t("{name} is saved.", { name: body.provider_model }));
    onDone();
    onClose();
  };
  return html`<${Dialog} title=${of ? t("Edit an association of {name}", { name: model.name }) : t("Who serves {name}?", { name: model.name })} onClose=${onClose}>
    <form class="form" onSubmit=${(event) => form.submit(event, send)}>
      <${Select} form=${form} name="provider_id" label=${t("Provider")} options=${providers.map((one) => [one.id, one.name])} />
      <${Input} form=${form} name="provider_model" label=${t("Name of the model there")} required maxlength="100" />
      <${Input} form=${form} name="weight" label=${t("Weight")} type="number" hint=${t("0 comes after all others.")} />
      <fieldset class="wide"><legend>${t("What it can do")}</legend><div class="row">
        <${Check} form=${form} name="tool_call" label=${t("Tools")} />
        <${Check} form=${form} name="structured_output" label=${t("Structured output")} />
        <${Check} form=${form} name="image" label=${t("Images")} />
      </div></fieldset>
      <div class="wide"><${Check} form=${form} name="enabled" label=${t("Enabled")} /></div>
      <${FormEnd} form=${form} fields=${["provider_id", "provider_model", "weight"]} verb=${t("Save")} onClose=${onClose} />
    </form>
  <//>`;
}

/** Whether the element is on the screen. */
function useSeen(element) {
  const [seen, set] = useState(false);
  useEffect(() => {
    const watch = new IntersectionObserver((entries) => set(entries.at(-1).isIntersecting));
    watch.observe(element.current);
    return () => watch.disconnect();
  }, []);
  return seen;
}

/** The outcomes of an association, which are asked for while they are looked at: a page may have hundreds. */
function Outcomes({ of }) {
  const place = useRef(null);
  const seen = useSeen(place);
  const last = useRef(null);
  const status = useData(async (signal) => (last.current = seen ? await get(`/model-providers/${of.id}/status`, signal) : last.current), [of.id, seen], seen ? 5000 : 0);
  return html`<div ref=${place}><${Bars} status=${status} /></div>`;
}

/** The last outcomes as bars, the latest on the right: red failed, height is time. */
function Bars({ status }) {
  const outcomes = [...(status.data?.data ?? [])].slice(0, 24).reverse();
  if (outcomes.length === 0) return html`<span class="muted small">${t("not asked yet")}</span>`;
  const slowest = Math.max(...outcomes.map((one) => one.latency_ms ?? 0), 1);
  const failed = outcomes.filter((one) => !one.ok).length;
  return html`<span class="bars" role="img" aria-label=${t("{failed} of the last {count} failed", { failed, count: outcomes.length })}>
    ${outcomes.map((one) => html`<i class=${one.ok ? "" : "bad"} ref=${(node) => node && (node.style.height = `${25 + 75 * ((one.latency_ms ?? slowest) / slowest)}%`)}
      title=${`${time(one.at)} · ${one.status ?? t("no answer")} · ${duration(one.latency_ms)}`} />`)}
  </span>`;
}

/** The share of each of its tier: provider weight times association weight, of those that are enabled. */
function shares(associations, providers) {
  const able = associations.filter((one) => one.enabled && providers.get(one.provider_id)?.enabled);
  const tiers = [...new Set(able.map((one) => providers.get(one.provider_id).config.priority))].sort((one, other) => other - one);
  const weight = (one) => one.weight * providers.get(one.provider_id).config.weight;
  const found = new Map();
  tiers.forEach((priority, tier) => {
    const members = able.filter((one) => providers.get(one.provider_id).config.priority === priority);
    const sum = members.reduce((total, one) => total + weight(one), 0);
    for (const one of members) found.set(one.id, { tier: tier + 1, share: sum ? weight(one) / sum : 0 });
  });
  return found;
}

function Associations({ of, model, providers, states, show, reload }) {
  const byShare = shares(of, providers);
  const chosen = useChosen(of);
  const name = (one) => `${providers.get(one.provider_id)?.name}/${one.provider_model}`;
  const sorted = [...of].sort((one, other) => (byShare.get(one.id)?.tier ?? 99) - (byShare.get(other.id)?.tier ?? 99) || (byShare.get(other.id)?.share ?? 0) - (byShare.get(one.id)?.share ?? 0));
  const first = sorted.filter((one) => byShare.get(one.id)?.tier === 1 && byShare.get(one.id).share > 0);
  const enable = (one) => async () => {
    await patch(`/model-providers/${one.id}`, { enabled: !one.enabled });
    reload();
  };
  return html`${first.length > 1 && html`<div class="share" role="img" aria-label=${first.map((one) => `${providers.get(one.provider_id).name} ${percent(byShare.get(one.id).share)}`).join(", ")}>
      ${first.map((one) => html`<i ref=${(node) => node && (node.style.width = `${byShare.get(one.id).share * 100}%`)} title=${`${providers.get(one.provider_id).name} ${percent(byShare.get(one.id).share)}`} />`)}
    </div>`}
    <${Batch} path="/model-providers" chosen=${chosen} name=${name} verb=${t("Remove")} hasWeight onDone=${reload} />
    <div class="scroll" tabindex="0"><table>
      <thead><tr><th><${AllChosen} chosen=${chosen} rows=${of} /></th><th>${t("Provider")}</th><th>${t("Name there")}</th><th>${t("Can")}</th><th class="number">${t("Share")}</th><th>${t("State")}</th><th>${t("Last outcomes")}</th><th><span class="visually-hidden">${t("Actions")}</span></th></tr></thead>
      <tbody>${sorted.map((one) => {
        const share = byShare.get(one.id);
        return html`<tr key=${one.id}>
          <td><${Chosen} chosen=${chosen} row=${one} name=${name(one)} /></td>
          <td class="nowrap"><strong>${providers.get(one.provider_id)?.name}</strong></td><td class="mono nowrap">${one.provider_model} <${Declared} of=${one} /></td>
          <td class="nowrap">${[["tool_call", t("Tools")], ["structured_output", t("Structured")], ["image", t("Images")]].filter(([name]) => one[name]).map(([, label]) => html`<${Badge} bare>${label}<//> `)}</td>
          <td class="number"><strong>${share ? percent(share.share) : "–"}</strong><div class="muted small">${share && `${share.share ? t("tier {tier}", { tier: share.tier }) : t("after all others")} · `}${t("weight {weight}", { weight: one.weight })}</div></td>
          <td><${State} of=${states.get(one.id)?.state} enabled=${one.enabled && providers.get(one.provider_id)?.enabled} /></td>
          <td><${Outcomes} of=${one} /></td>
          <td class="actions"><${Action} disabled=${!!one.declared_by} does=${enable(one)}>${one.enabled ? t("Disable") : t("Enable")}<//> <button type="button" disabled=${!!one.declared_by} onClick=${() => show({ association: one, model })}>${t("Edit")}</button>
            ${" "}<button type="button" class="danger" disabled=${!!one.declared_by} onClick=${() => show({ untie: one, model })}>${t("Remove")}</button></td>
        </tr>`;
      })}</tbody>
    </table></div>`;
}

export function Models() {
  const data = useData(async (signal) => {
    const [models, providers, associations] = await Promise.all([all("/models", signal), all("/providers", signal), all("/model-providers", signal)]);
    return { models: models.sort(byName), providers: providers.sort(byName), associations };
  }, [], 10_000);
  const health = useData((signal) => get("/health", signal), [], 2000);
  const [shown, show] = useState(null);
  const [{ search }, tell] = useAddress({ search: "" });
  const chosen = useChosen(data.data?.models ?? []);
  const close = () => show(null);
  // An association is no better than its provider.
  const states = new Map(health.data?.providers.flatMap((one) => one.associations.map((it) => [it.model_provider_id, one.state === "unhealthy" ? one : it])));
  return html`<${Head} title=${t("Models")} about=${t("The names that clients ask for, and who serves them with which share.")}>
      <input type="search" aria-label=${t("Search")} placeholder=${t("Search")} value=${search} onInput=${(event) => tell({ search: event.target.value })} class="grow" />
      <button type="button" class="primary" onClick=${() => show({ form: null })}>${t("Add a model")}</button>
    <//>
    <${Loaded} of=${data}>${({ models, providers, associations }) => {
      const known = new Map(providers.map((one) => [one.id, one]));
      const found = models.filter((one) => one.name.toLowerCase().includes(search.toLowerCase()));
      const listed = found.slice(0, 50);
      return html`${listed.length === 0 && html`<section class="card"><${Empty} title=${models.length ? t("No model is called so") : t("No model yet")}>
            ${models.length === 0 && html`<p>${t("Import what a provider offers, or add a name of your own.")}</p><a class="button" href="#/providers">${t("Providers")}</a>`}<//></section>`}
        <${Batch} path="/models" chosen=${chosen} name=${(one) => one.name} onDone=${data.reload}
          consequence=${t("Their associations and policies go with them. Logs and figures stay.")} />
        ${listed.map((model) => {
          const own = associations.filter((one) => one.model_id === model.id);
          return html`<section class="card" key=${model.id} aria-label=${model.name}>
            <header>
              <div class="row"><${Chosen} chosen=${chosen} row=${model} name=${model.name} /><h2>${model.name}</h2><${Declared} of=${model} />${!model.enabled && html`<${Badge}>${t("disabled")}<//>`}<span class="muted">${model.remark}</span></div>
              <div class="row">
                <a class="button" href=${`#/route?model=${encodeURIComponent(model.name)}`}>${t("Explain")}</a>
                <button type="button" onClick=${() => show({ association: null, model })} disabled=${providers.length === 0}>${t("Add a provider")}</button>
                <button type="button" onClick=${() => show({ policy: model })}>${t("Policy")}</button>
                <button type="button" disabled=${!!model.declared_by} onClick=${() => show({ form: model })}>${t("Edit")}</button>
                <button type="button" class="danger" disabled=${!!model.declared_by} onClick=${() => show({ gone: model })}>${t("Delete")}</button>
              </div>
            </header>
            ${own.length === 0
              ? html`<div class="note warn">${t("Nobody serves it yet: requests for it are answered 503.")}</div>`
              : html`<${Associations} of=${own} model=${model} providers=${known} states=${states} show=${show} reload=${data.reload} />`}
          </section>`;
        })}
        ${found.length > listed.length && html`<p class="muted">${t("{count} more; search to see them.", { count: found.length - listed.length })}</p>`}
        ${shown && "form" in shown && html`<${ModelForm} of=${shown.form} onClose=${close} onDone=${data.reload} />`}
        ${shown && "association" in shown && html`<${AssociationForm} of=${shown.association} model=${shown.model} providers=${providers} onClose=${close} onDone=${data.reload} />`}`;
    }}<//>
    ${shown?.policy && html`<${Policy} model=${shown.policy} onClose=${close} />`}
    ${shown?.gone && html`<${Confirm} title=${t("Delete a model")} what=${shown.gone.name} verb=${t("Delete")} consequence=${t("Its associations and its policy go with it. Logs and figures stay.")}
      does=${() => remove(`/models/${shown.gone.id}`)} onDone=${data.reload} onClose=${close} />`}
    ${shown?.untie && html`<${Confirm} title=${t("Remove a provider from a model")} what=${`${shown.model.name}: ${shown.untie.provider_model}`} verb=${t("Remove")}
      does=${() => remove(`/model-providers/${shown.untie.id}`)} onDone=${data.reload} onClose=${close} />`}`;
}
