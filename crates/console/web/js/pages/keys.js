import { html, useEffect, useRef, useState } from "../../vendor/preact.js";
import { all, patch, post, remove } from "../api.js";
import { AllChosen, Batch, Chosen, useChosen } from "../batch.js";
import { ago, local, percent, time, usd } from "../format.js";
import { Guards, guardFields, guardsOf } from "../guards.js";
import { t } from "../i18n.js";
import { Limits, LimitsShown, limitFields, limitsIn, limitsOf } from "../limits.js";
import { Action, Badge, Check, Confirm, Copy, Declared, Dialog, Empty, FormEnd, Head, Input, Loaded, Select, names, number, say, text, useData, useForm } from "../ui.js";

const PERIODS = [["day", t("Per day")], ["month", t("Per month")], ["total", t("In all")]];
const FIELDS = ["name", "expires_at", "allowed_models", "allowed_providers", "budgets.warn_at", ...PERIODS.map(([name]) => `budgets.${name}`)];

/** What a form says of budgets; null where it limits nothing. */
function budgets(values) {
  const amounts = Object.fromEntries(PERIODS.map(([name]) => [name, text(values[name])]));
  const limits = PERIODS.some(([name]) => amounts[name] !== null) || values.unpriced === "refuse";
  return limits ? { ...amounts, unpriced: values.unpriced, warn_at: number(values.warn_at) } : null;
}

/** How much of its budgets is spent, the tightest first to be seen. */
function Budgets({ of }) {
  const limited = PERIODS.map(([name, label]) => ({ label, ...of[name] })).filter((one) => one.budget !== null && one.budget !== undefined);
  if (limited.length === 0) return html`<span class="muted small">${t("no limit")}</span>`;
  return html`<div class="meters">${limited.map((one) => {
    const share = Number(one.budget) > 0 ? Math.min(Number(one.spent) / Number(one.budget), 1) : 1;
    return html`<div title=${one.resets_at ? t("Begins anew {when}", { when: ago(one.resets_at) }) : ""}>
      <span class="small nowrap">${one.label}: ${usd(one.spent)} / ${usd(one.budget)}</span>
      <div class=${`meter ${{ warning: "warn", exhausted: "bad" }[one.state] ?? ""}`} role="img" aria-label=${t("{share} spent", { share: percent(share) })}><i ref=${(node) => node && (node.style.width = `${share * 100}%`)} /></div>
    </div>`;
  })}</div>`;
}

/** A new secret for a key, which is shown this once, in the dialog that had the form. */
function Shown({ made, onClose }) {
  const end = useRef(null);
  // The form's button is gone, and the focus with it.
  useEffect(() => end.current.querySelector("button").focus(), []);
  return html`<div class="note warn">${t("It is shown this once. Only its hash is kept.")}</div>
    <pre id="new-key">${made.key}</pre>
    <div class="end" ref=${end}><${Copy} text=${made.key} /><button type="button" class="primary" onClick=${onClose}>${t("I have it")}</button></div>`;
}

function Rotate({ of, onClose, onDone }) {
  const form = useForm({ hours: 24 });
  const [made, setMade] = useState(null);
  const send = async (values) => {
    setMade(await post(`/keys/${of.id}/rotate`, { overlap_seconds: Math.round(number(values.hours) * 3600) }));
    onDone();
  };
  const title = made ? t("The key of {name}", { name: made.name }) : t("A new secret for {name}", { name: of.name });
  return html`<${Dialog} narrow title=${title} onClose=${onClose}>${made ? html`<${Shown} made=${made} onClose=${onClose} />` : html`
    <form class="form" onSubmit=${(event) => form.submit(event, send)}>
      <${Input} form=${form} name="hours" field="overlap_seconds" label=${t("Hours that the old one is accepted")} type="number" min="0" step="any" wide />
      <${FormEnd} form=${form} fields=${["overlap_seconds"]} verb=${t("Rotate")} onClose=${onClose} />
    </form>`}
  <//>`;
}

function KeyForm({ of, onClose, onDone }) {
  const form = useForm({
    name: of?.name ?? "", enabled: of?.enabled ?? true, expires_at: local(of?.expires_at),
    allowed_models: of?.allowed_models?.join(", ") ?? "", allowed_providers: of?.allowed_providers?.join(", ") ?? "",
    unpriced: "allow", ...of?.budgets, guards: of?.guards ?? null, limits: limitsIn(of?.limits), record_bodies: of?.record_bodies ?? false,
  });
  const [made, setMade] = useState(null);
  const send = async (values) => {
    const body = {
      name: values.name.trim(), enabled: values.enabled, expires_at: values.expires_at ? new Date(values.expires_at).toISOString() : null,
      allowed_models: names(values.allowed_models), allowed_providers: names(values.allowed_providers),
      limits: limitsOf(values.limits, of?.limits), budgets: budgets(values), guards: guardsOf(values.guards), record_bodies: values.record_bodies,
    };
    if (of) {
      await patch(`/keys/${of.id}`, body);
      say(t("{name} is saved.", { name: body.name }));
      onClose();
    } else {
      setMade(await post("/keys", body));
    }
    onDone();
  };
  const title = made ? t("The key of {name}", { name: made.name }) : of ? t("Edit {name}", { name: of.name }) : t("Create a key");
  return html`<${Dialog} narrow=${!!made} title=${title} onClose=${onClose}>${made ? html`<${Shown} made=${made} onClose=${onClose} />` : html`
    <form class="form" onSubmit=${(event) => form.submit(event, send)}>
      <${Input} form=${form} name="name" label=${t("Name")} hint=${t("It stands for the key in logs and reports.")} required maxlength="100" autofocus />
      <${Input} form=${form} name="expires_at" label=${t("Expires")} type="datetime-local" hint=${t("Empty is never.")} />
      <${Input} form=${form} name="allowed_models" label=${t("Models it may ask for")} wide placeholder="gpt-*, claude-*" hint=${t("Names or patterns, separated by commas; empty is all.")} />
      <${Input} form=${form} name="allowed_providers" label=${t("Providers that may serve it")} wide hint=${t("Names, separated by commas; empty is all.")} />
      <${Limits} form=${form} />
      <fieldset class="wide"><legend>${t("Budgets in USD; empty is no limit")}</legend><div class="form">
        ${PERIODS.map(([name, label]) => html`<${Input} form=${form} name=${name} field=${`budgets.${name}`} label=${label} inputmode="decimal" />`)}
        <${Input} form=${form} name="warn_at" field="budgets.warn_at" label=${t("Warn at this share")} type="number" step="any" placeholder="0.8" />
        <${Select} form=${form} name="unpriced" field="budgets.unpriced" label=${t("Models without a price")} options=${[["allow", t("are served")], ["refuse", t("are refused")]]} />
      </div></fieldset>
      <${Guards} form=${form} />
      <div class="wide stack"><${Check} form=${form} name="record_bodies" label=${t("Record bodies of requests and answers")} /><${Check} form=${form} name="enabled" label=${t("Enabled")} /></div>
      <${FormEnd} form=${form} fields=${[...FIELDS, ...limitFields(form.values.limits), ...guardFields(form.values.guards)]} verb=${of ? t("Save") : t("Create")} onClose=${onClose} />
    </form>`}
  <//>`;
}

function KeyState({ of }) {
  if (!of.enabled) return html`<${Badge}>${t("disabled")}<//>`;
  if (of.expires_at && new Date(of.expires_at) < new Date()) return html`<${Badge} kind="bad">${t("expired")}<//>`;
  if (PERIODS.some(([name]) => of.spending?.[name]?.state === "exhausted")) return html`<${Badge} kind="bad">${t("budget spent")}<//>`;
  return html`<${Badge} kind="good">${t("in use")}<//>`;
}

export function Keys() {
  const list = useData((signal) => all("/keys", signal), [], 10_000);
  const [shown, show] = useState(null);
  const chosen = useChosen(list.data ?? []);
  const close = () => show(null);
  const enable = (one) => async () => {
    await patch(`/keys/${one.id}`, { enabled: !one.enabled });
    list.reload();
  };
  return html`<${Head} title=${t("Keys")} about=${t("What clients call with. A key that is disabled is refused at once.")}>
      <button type="button" class="primary" onClick=${() => show({ form: null })}>${t("Create a key")}</button>
    <//>
    <section class="card"><${Loaded} of=${list}>${(rows) =>
      rows.length === 0
        ? html`<${Empty} title=${t("No key yet")}><p>${t("A client needs one to be served.")}</p><button type="button" class="primary" onClick=${() => show({ form: null })}>${t("Create a key")}</button><//>`
        : html`<${Batch} path="/keys" chosen=${chosen} name=${(one) => one.name} verb=${t("Revoke")} onDone=${list.reload}
              consequence=${t("Whoever calls with one of them is refused from now on, for ever.")} />
            <div class="scroll" tabindex="0"><table>
            <thead><tr><th><${AllChosen} chosen=${chosen} rows=${rows} /></th><th>${t("Name")}</th><th>${t("Begins with")}</th><th>${t("State")}</th><th>${t("Models")}</th><th>${t("Limits")}</th><th>${t("Budgets")}</th><th>${t("Expires")}</th><th>${t("Last used")}</th><th><span class="visually-hidden">${t("Actions")}</span></th></tr></thead>
            <tbody>${rows.map(
              (one) => html`<tr key=${one.id}>
                <td><${Chosen} chosen=${chosen} row=${one} name=${one.name} /></td>
                <td class="nowrap"><a href=${`#/logs?key=${encodeURIComponent(one.name)}`}>${one.name}</a> <${Declared} of=${one} /></td><td class="mono nowrap">${one.key_prefix}…</td><td><${KeyState} of=${one} /></td>
                <td><div class="clip" title=${one.allowed_models?.join(", ") ?? ""}>${one.allowed_models?.join(", ") ?? t("all")}</div></td>
                <td><${LimitsShown} of=${one.limits} /></td>
                <td><${Budgets} of=${one.spending} /></td>
                <td class="nowrap">${one.expires_at ? time(one.expires_at) : t("never")}</td><td class="nowrap">${ago(one.last_used_at)}</td>
                <td class="actions"><${Action} disabled=${!!one.declared_by} does=${enable(one)} said=${one.enabled ? t("{name} is disabled.", { name: one.name }) : t("{name} is enabled.", { name: one.name })}>${one.enabled ? t("Disable") : t("Enable")}<//>
                  ${" "}<button type="button" disabled=${!!one.declared_by} onClick=${() => show({ rotate: one })}>${t("Rotate")}</button> <button type="button" disabled=${!!one.declared_by} onClick=${() => show({ form: one })}>${t("Edit")}</button> <button type="button" class="danger" disabled=${!!one.declared_by} onClick=${() => show({ gone: one })}>${t("Revoke")}</button></td>
              </tr>`,
            )}</tbody>
          </table></div>`}<//></section>
    ${shown && "form" in shown && html`<${KeyForm} of=${shown.form} onClose=${close} onDone=${list.reload} />`}
    ${shown?.rotate && html`<${Rotate} of=${shown.rotate} onClose=${close} onDone=${list.reload} />`}
    ${shown?.gone && html`<${Confirm} title=${t("Revoke a key")} what=${shown.gone.name} verb=${t("Revoke")} consequence=${t("Whoever calls with it is refused from now on, for ever.")}
      does=${() => remove(`/keys/${shown.gone.id}`)} onDone=${list.reload} onClose=${close} />`}`;
}
