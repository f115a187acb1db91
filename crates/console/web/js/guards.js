import { html } from "../vendor/preact.js";
import { t } from "./i18n.js";
import { Field, text } from "./ui.js";

const ACTIONS = () => [["redact", t("Redact")], ["deny", t("Deny")]];
const SIDES = () => [["both", t("requests and answers")], ["request", t("requests")], ["response", t("answers")]];
const FAILURES = () => [["deny", t("refused")], ["allow", t("served")]];
const STREAMS = () => [["moderate", t("moderated piece by piece")], ["deny", t("refused")], ["allow", t("served unasked")]];

/** Fields of the API that the form shows, by which their faults are told. */
export const guardFields = (guards) => [
  ...(guards?.rules ?? []).flatMap((_, place) => ["name", "pattern", "replacement"].map((name) => `guards.rules[${place}].${name}`)),
  ...["url", "api_key", "model", "timeout_ms"].map((name) => `guards.moderation.${name}`),
];

/** What the form's guards are to the API; null where nothing is guarded. */
export function guardsOf(guards) {
  const rules = (guards?.rules ?? []).map(({ name, pattern, action, on, replacement }) => ({
    name: name.trim(), pattern, action, on, ...(action === "redact" && text(replacement) !== null && { replacement }),
  }));
  const given = guards?.moderation;
  const url = text(given?.url);
  const moderation = url === null ? null : {
    url, api_key: text(given.api_key), model: text(given.model), on: given.on ?? "request", on_failure: given.on_failure,
    streams: given.streams ?? "moderate",
    timeout_ms: text(String(given.timeout_ms ?? "")) === null ? null : Number(given.timeout_ms),
  };
  return rules.length || moderation ? { rules, moderation } : null;
}

const choose = (given, value, options, onChange) =>
  html`<select ...${given} onChange=${(event) => onChange(event.target.value)}>${options.map(([name, label]) => html`<option value=${name} selected=${name === value}>${label}</option>`)}</select>`;

/** The guards of a form, in its value `guards`. */
export function Guards({ form }) {
  const guards = form.values.guards ?? {};
  const rules = guards.rules ?? [];
  const moderation = guards.moderation ?? { on_failure: "deny" };
  const set = (change) => form.set("guards", { ...guards, ...change });
  const setRule = (place, change) => set({ rules: rules.map((rule, at) => (at === place ? { ...rule, ...change } : rule)) });
  const setModeration = (change) => set({ moderation: { ...moderation, ...change } });
  const entry = (label, field, value, onInput, more) =>
    html`<${Field} label=${label} fault=${form.fault(field)} hint=${more?.hint} wide=${more?.wide}>${(given) =>
      html`<input ...${given} class=${more?.mono ? "mono" : ""} type=${more?.type ?? "text"} placeholder=${more?.placeholder} autocomplete="off" value=${value ?? ""} onInput=${(event) => onInput(event.target.value)} />`}<//>`;
  return html`<details class="wide" open=${rules.length > 0 || Boolean(moderation.url)}><summary>${t("Guards on content")}</summary>
    ${rules.map((rule, place) => html`<div class="form" key=${place}>
      ${entry(t("Rule"), `guards.rules[${place}].name`, rule.name, (name) => setRule(place, { name }))}
      ${entry(t("Pattern"), `guards.rules[${place}].pattern`, rule.pattern, (pattern) => setRule(place, { pattern }), { mono: true, placeholder: "\\b\\d{16}\\b" })}
      <${Field} label=${t("What matches is")}>${(given) => choose(given, rule.action, ACTIONS(), (action) => setRule(place, { action }))}<//>
      <${Field} label=${t("Looked for in")}>${(given) => choose(given, rule.on, SIDES(), (on) => setRule(place, { on }))}<//>
      ${rule.action === "redact" && entry(t("In its place"), `guards.rules[${place}].replacement`, rule.replacement, (replacement) => setRule(place, { replacement }), { placeholder: "[redacted]" })}
      <div class="wide row"><button type="button" onClick=${() => set({ rules: rules.filter((_, at) => at !== place) })}>${t("Remove the rule")}</button></div>
    </div>`)}
    <div class="row"><button type="button" onClick=${() => set({ rules: [...rules, { name: "", pattern: "", action: "redact", on: "both" }] })}>${t("Add a rule")}</button></div>
    <div class="form">
      ${entry(t("Moderation endpoint"), "guards.moderation.url", moderation.url, (url) => setModeration({ url }), { wide: true, placeholder: "https://", hint: t("Asked as OpenAI's /v1/moderations; empty asks nobody.") })}
      <${Field} label=${t("It is asked about")}>${(given) => choose(given, moderation.on ?? "request", SIDES(), (on) => setModeration({ on }))}<//>
      ${moderation.on && moderation.on !== "request" && html`<${Field} label=${t("Streams are")}>${(given) => choose(given, moderation.streams ?? "moderate", STREAMS(), (streams) => setModeration({ streams }))}<//>`}
      ${entry(t("Where its key is"), "guards.moderation.api_key", moderation.api_key, (api_key) => setModeration({ api_key }), { placeholder: "env:NAME" })}
      ${entry(t("Milliseconds that it may take"), "guards.moderation.timeout_ms", moderation.timeout_ms, (timeout_ms) => setModeration({ timeout_ms }), { type: "number", placeholder: "2000" })}
      <${Field} label=${t("While it does not answer, requests are")}>${(given) => choose(given, moderation.on_failure, FAILURES(), (on_failure) => setModeration({ on_failure }))}<//>
    </div>
  </details>`;
}
