// How much a client key may ask for in how much time: in its form, and in the list of keys.

import { html } from "../vendor/preact.js";
import { count } from "./format.js";
import { t } from "./i18n.js";
import { Field, number, text } from "./ui.js";

const RATES = () => [
  ["rpm", t("Requests a minute")],
  ["tpm", t("Tokens a minute")],
  ["concurrent", t("At most at once")],
];

/** Fields of the API that the form shows, by which their faults are told. */
export const limitFields = (limits) => [
  ...RATES().map(([name]) => `limits.${name}`),
  ...(limits?.models ?? []).flatMap((one) => RATES().map(([name]) => `limits.models.${one.pattern}.${name}`)),
];

/** What the API says of limits, as the form has it: models as a list, in which a name may be changed. */
export const limitsIn = (limits) => ({ ...limits, models: Object.entries(limits?.models ?? {}).map(([pattern, rates]) => ({ ...rates, pattern })) });

const rates = (given) => Object.fromEntries(RATES().map(([name]) => [name, number(given[name])]));
const limits = (given) => Object.values(rates(given)).some((value) => value !== null);

/** What the form says of limits, in a change of what was there `before`; null where it limits nothing. */
export function limitsOf(given, before) {
  const kept = given.models.filter((one) => text(one.pattern) !== null && limits(one));
  if (!limits(given) && kept.length === 0) return null;
  // In a merge patch what is to go has to be named.
  const gone = Object.keys(before?.models ?? {}).map((pattern) => [pattern, null]);
  const models = Object.fromEntries([...gone, ...kept.map((one) => [one.pattern.trim(), rates(one)])]);
  return { ...rates(given), ...(Object.keys(models).length > 0 && { models }) };
}

/** The limits of a form, in its value `limits`. */
export function Limits({ form }) {
  const given = form.values.limits;
  const set = (change) => form.set("limits", { ...given, ...change });
  const setModel = (place, change) => set({ models: given.models.map((one, at) => (at === place ? { ...one, ...change } : one)) });
  const entries = (path, of, onChange) => RATES().map(([name, label]) => html`<${Field} label=${label} fault=${form.fault(`${path}.${name}`)}>${(more) =>
    html`<input ...${more} type="number" min="1" value=${of[name] ?? ""} onInput=${(event) => onChange({ [name]: event.target.value })} />`}<//>`);
  return html`<fieldset class="wide"><legend>${t("Limits; empty is none")}</legend><div class="stack">
    <div class="form">${entries("limits", given, set)}</div>
    ${given.models.map((one, place) => html`<div class="form" key=${place}>
      <${Field} label=${t("Of these models")}>${(more) =>
        html`<input ...${more} required placeholder="gpt-*" value=${one.pattern} onInput=${(event) => setModel(place, { pattern: event.target.value })} />`}<//>
      ${entries(`limits.models.${one.pattern}`, one, (change) => setModel(place, change))}
      <div class="wide row"><button type="button" onClick=${() => set({ models: given.models.filter((_, at) => at !== place) })}>${t("Remove these limits")}</button></div>
    </div>`)}
    <div class="row"><button type="button" onClick=${() => set({ models: [...given.models, { pattern: "" }] })}>${t("Limit single models")}</button></div>
  </div></fieldset>`;
}

/** Limits in a row of a list. */
export function LimitsShown({ of }) {
  if (!of) return html`<span class="muted small nowrap">${t("no limit")}</span>`;
  const written = (one) =>
    [one.rpm && t("{count} requests a minute", { count: count(one.rpm) }), one.tpm && t("{count} tokens a minute", { count: count(one.tpm) }), one.concurrent && t("{count} at once", { count: count(one.concurrent) })].filter(Boolean);
  const lines = [...written(of), ...Object.entries(of.models ?? {}).map(([pattern, one]) => `${pattern}: ${written(one).join(", ")}`)];
  return lines.map((line) => html`<div class="small nowrap">${line}</div>`);
}
