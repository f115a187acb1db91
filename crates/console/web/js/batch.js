// Many rows of a list at once: choosing them, and what is done to all of them in one call.

import { html, useState } from "../vendor/preact.js";
import { post } from "./api.js";
import { t } from "./i18n.js";
import { Action, Confirm, Dialog, FormEnd, Input, number, say, useForm } from "./ui.js";

/** Which of the rows are chosen. One that is gone is not any more. */
export function useChosen(rows) {
  const [ids, set] = useState(new Set());
  const there = rows.filter((row) => ids.has(row.id));
  return {
    rows: there,
    has: (row) => ids.has(row.id),
    isAll: rows.length > 0 && there.length === rows.length,
    toggle(row) {
      const next = new Set(ids);
      if (!next.delete(row.id)) next.add(row.id);
      set(next);
    },
    choose: (chosen) => set(new Set(chosen.map((row) => row.id))),
  };
}

/** The box of one row. */
export const Chosen = ({ chosen, row, name }) =>
  html`<input type="checkbox" aria-label=${t("Choose {name}", { name })} checked=${chosen.has(row)} onChange=${() => chosen.toggle(row)} />`;

/** The box over all rows. */
export const AllChosen = ({ chosen, rows }) =>
  html`<input type="checkbox" aria-label=${t("Choose all")} checked=${chosen.isAll} onChange=${() => chosen.choose(chosen.isAll ? [] : rows)} />`;

function Weight({ count, send, onClose }) {
  const form = useForm({ weight: "" });
  return html`<${Dialog} narrow title=${t("The weight of {count}", { count })} onClose=${onClose}>
    <form class="form" onSubmit=${(event) => form.submit(event, async (values) => {
      await send({ action: "set_weight", weight: number(values.weight) });
      onClose();
    })}>
      <${Input} form=${form} name="weight" label=${t("Weight")} type="number" min="0" required wide autofocus />
      <${FormEnd} form=${form} fields=${["weight"]} verb=${t("Set")} onClose=${onClose} />
    </form>
  <//>`;
}

/**
 * What can be done to the chosen rows of the list at `path`. `name` names a row; `more` goes along with deleting, and
 * `consequence` says what that means.
 */
export function Batch({ path, chosen, name, verb = t("Delete"), consequence, more, hasWeight, onDone }) {
  const [shown, show] = useState(null);
  const { rows } = chosen;
  if (rows.length === 0) return null;
  const send = async (change) => {
    await post(`${path}/batch`, { ids: rows.map((row) => row.id), ...change });
    chosen.choose([]);
    onDone();
  };
  const close = () => show(null);
  const act = (change) => async () => {
    const count = rows.length;
    await send(change);
    say(t("{count} were changed.", { count }));
  };
  return html`<div class="note row between" role="group" aria-label=${t("What is chosen")}>
      <strong>${t("{count} chosen", { count: rows.length })}</strong>
      <div class="row">
        <${Action} does=${act({ action: "enable" })}>${t("Enable")}<//>
        <${Action} does=${act({ action: "disable" })}>${t("Disable")}<//>
        ${hasWeight && html`<button type="button" onClick=${() => show("weight")}>${t("Set the weight")}</button>`}
        <button type="button" class="danger" onClick=${() => show("gone")}>${verb}</button>
        <button type="button" class="plain" onClick=${() => chosen.choose([])}>${t("Choose none")}</button>
      </div>
    </div>
    ${shown === "weight" && html`<${Weight} count=${rows.length} send=${send} onClose=${close} />`}
    ${shown === "gone" && html`<${Confirm} title=${t("{verb} {count}", { verb, count: rows.length })} what=${rows.map(name).join(", ")} verb=${verb}
      consequence=${consequence} does=${() => send({ action: "delete", ...more })} onClose=${close} />`}`;
}
