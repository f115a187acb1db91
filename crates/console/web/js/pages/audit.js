import { html, useState } from "../../vendor/preact.js";
import { get, query } from "../api.js";
import { time } from "../format.js";
import { t } from "../i18n.js";
import { Dialog, Empty, Head, Loaded, useData } from "../ui.js";
import { action, object } from "../words.js";

const written = (value) => (value ? JSON.stringify(value, null, 2) : t("nothing"));

/** A gateway without an audit log has an empty one. */
function ifNone(error) {
  if (error.status === 404) return { data: [], next: null };
  throw error;
}

export function Audit() {
  const [pages, setPages] = useState([null]);
  const [open, setOpen] = useState(null);
  const cursor = pages.at(-1);
  const list = useData((signal) => get(query("/audit", { limit: 50, cursor }), signal).catch(ifNone), [cursor]);
  return html`<${Head} title=${t("Audit log")} about=${t("Who changed what over the admin API, this console included. Secrets are masked.")} />
    <section class="card"><${Loaded} of=${list}>${(page) =>
      page.data.length === 0
        ? html`<${Empty} title=${t("Nothing was changed yet")} />`
        : html`<div class="scroll" tabindex="0"><table>
              <thead><tr><th>${t("Time")}</th><th>${t("Who")}</th><th>${t("What")}</th><th>${t("Object")}</th><th>${t("Address")}</th></tr></thead>
              <tbody>${page.data.map(
                (one) => html`<tr key=${one.id} class="opens" onClick=${() => setOpen(one)}>
                  <td class="nowrap">${time(one.created_at)}</td><td>${one.actor}</td>
                  <td><button type="button" class="plain" onClick=${() => setOpen(one)}>${action(one.action)}</button></td>
                  <td class="nowrap">${object(one.object_type)} ${one.object_name ?? one.object_id ?? ""}</td><td>${one.ip_address}</td>
                </tr>`,
              )}</tbody>
            </table></div>
            ${(pages.length > 1 || page.next) && html`<div class="row">
              <button type="button" disabled=${pages.length === 1} onClick=${() => setPages(pages.slice(0, -1))}>${t("Newer")}</button>
              <button type="button" disabled=${!page.next} onClick=${() => setPages([...pages, page.next])}>${t("Older")}</button>
            </div>`}`}<//></section>
    ${open && html`<${Dialog} title=${`${object(open.object_type)} ${open.object_name ?? ""} · ${action(open.action)}`} onClose=${() => setOpen(null)}>
      <h3>${t("Before")}</h3><pre>${written(open.before)}</pre>
      <h3>${t("After")}</h3><pre>${written(open.after)}</pre>
    <//>`}`;
}
