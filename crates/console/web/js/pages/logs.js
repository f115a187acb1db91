import { html, useEffect, useState } from "../../vendor/preact.js";
import { useAddress } from "../address.js";
import { all, follow, get, query } from "../api.js";
import { count, duration, local, moment, short, time, unpriced, usd } from "../format.js";
import { t } from "../i18n.js";
import { Badge, Dialog, Empty, Head, Loaded, Segments, Status, useData } from "../ui.js";

const PAGE = 50;
/** Milliseconds between two looks at the list while it is live: other replicas' requests come no other way. */
const RELOAD = 10_000;
/** Milliseconds in which requests are gathered before they are shown. */
const GATHER = 200;

/** The requests that ended while it was `on`, newest first, and how many came too fast to be told. */
function useTail(filter, on) {
  const [seen, set] = useState({ rows: [], leftOut: 0 });
  const path = query("/logs/tail", filter);
  useEffect(() => {
    set({ rows: [], leftOut: 0 });
    if (!on) return undefined;
    const controller = new AbortController();
    let gathered = { rows: [], leftOut: 0 };
    let timer = null;
    const show = () => {
      const { rows, leftOut } = gathered;
      gathered = { rows: [], leftOut: 0 };
      timer = null;
      set((before) => ({ rows: [...rows, ...before.rows].slice(0, PAGE), leftOut: before.leftOut + leftOut }));
    };
    follow(path, controller.signal, (name, data) => {
      if (name === "request") gathered.rows = [data, ...gathered.rows].slice(0, PAGE);
      else gathered.leftOut += data.count;
      timer ??= setTimeout(show, GATHER);
    });
    return () => {
      controller.abort();
      clearTimeout(timer);
    };
  }, [path, on]);
  return seen;
}

/** What was told since the list was read, and the list. */
function newest(told, listed) {
  const known = new Set(listed.map((row) => row.request_id));
  return [...told.filter((row) => !known.has(row.request_id)), ...listed].slice(0, PAGE);
}

/** The attempts of a request on one line of time. */
export function Attempts({ of, providers }) {
  const total = Math.max(of.latency_ms, 1);
  let begun = 0;
  return html`<div class="timeline">${of.attempts.map((one) => {
    const start = Math.min(begun, total);
    begun += one.ms ?? 0;
    const name = providers.get(one.provider_id) ?? `#${one.provider_id}`;
    const place = (node) => {
      if (!node) return;
      node.style.left = `${(start / total) * 100}%`;
      node.style.width = `${Math.min((one.ms ?? 0) / total, 1 - start / total) * 100}%`;
    };
    return html`<div class="attempt">
      <div><strong>${name}</strong><div class="small muted mono">${one.provider_model}</div>
        <div class="small muted">${one.status ?? t("no answer")} ${one.error_class ?? t("answered")}${one.cost !== null && one.cost !== undefined ? ` · ${usd(one.cost)}` : ""}</div></div>
      <div class="track"><i class=${one.error_class ? "bad" : ""} ref=${place} title=${`${one.status ?? t("no answer")} ${one.error_class ?? ""}`} /></div>
      <span class="small nowrap">${duration(one.ms)}</span>
    </div>`;
  })}</div>`;
}

/** What the client sent and got, asked for only when somebody wants to see it. */
function Bodies({ id }) {
  const [shown, show] = useState(null);
  const open = async () => {
    try {
      show(await get(`/logs/${id}/bodies`));
    } catch (error) {
      show({ fault: error.status === 404 ? t("Nothing is recorded of this request.") : error.message });
    }
  };
  if (!shown) return html`<div class="row"><button type="button" onClick=${open}>${t("Show recorded bodies")}</button></div>`;
  if (shown.fault) return html`<p class="muted">${shown.fault}</p>`;
  return html`<h3>${t("Request")}</h3><pre tabindex="0">${shown.request}</pre>
    <h3>${t("Answer")}</h3>${shown.response === null ? html`<p class="muted">${t("no answer")}</p>` : html`<pre tabindex="0">${shown.response}</pre>`}`;
}

function Entry({ id, providers, onClose }) {
  const entry = useData((signal) => get(`/logs/${id}`, signal), [id]);
  const fact = (label, value) => value !== null && value !== undefined && value !== "" && html`<dt>${label}</dt><dd>${value}</dd>`;
  return html`<${Dialog} title=${t("One request")} onClose=${onClose}>
    <${Loaded} of=${entry}>${(row) => html`
      <div class="row"><${Status} code=${row.status_code} /><strong>${row.model}</strong><span class="muted">${row.method} ${row.endpoint}</span>${row.stream && html`<${Badge} bare>${t("stream")}<//>`}</div>
      ${row.error_message && html`<div class="note bad">${row.error_class}: ${row.error_message}</div>`}
      <h3>${t("Attempts")}</h3>
      ${row.attempts.length ? html`<${Attempts} of=${row} providers=${providers} />` : html`<p class="muted">${t("Nobody was asked.")}</p>`}
      <dl>
        ${fact(t("Request id"), html`<code>${row.request_id}</code>`)}${fact(t("Arrived"), time(row.created_at))}
        ${fact(t("Latency"), duration(row.latency_ms))}${fact(t("Time to first token"), row.ttft_ms !== null && duration(row.ttft_ms))}
        ${fact(t("Provider"), providers.get(row.provider_id))}${fact(t("Provider's model"), row.provider_model)}
        ${fact(t("Client key"), row.user_id)}${fact(t("Address"), row.ip_address)}
        ${fact(t("Tokens"), row.total_tokens !== null && t("{in} in, {out} out", { in: count(row.prompt_tokens), out: count(row.completion_tokens) }))}
        ${fact(t("Of these cached"), row.cached_tokens)}${fact(t("Written to the cache"), row.cache_write_tokens)}${fact(t("Reasoning"), row.reasoning_tokens)}
        ${fact(t("Tokens were counted by"), { provider: t("the provider"), estimated: t("estimate"), none: t("nobody") }[row.usage_source])}
        ${fact(t("Cost"), row.cost === null ? t("unpriced") : `${row.cost} USD`)}
      </dl>
      <${Bodies} id=${id} />`}<//>
  <//>`;
}

const KINDS = { "": t("All"), false: t("Whole"), true: t("Streams") };

const EVERYTHING = { model: "", provider_id: "", key: "", status_code: "", stream: "", request_id: "", text: "", from: "", to: "" };

// What is being typed is its own until it is ended: new rows draw the page again meanwhile, and would put back what was there.
function Typed({ value, onEnd, ...more }) {
  const [typed, setTyped] = useState(value);
  useEffect(() => setTyped(value), [value]);
  return html`<input ...${more} value=${typed} onInput=${(event) => setTyped(event.target.value)} onChange=${(event) => onEnd(event.target.value.trim())} />`;
}

export function Logs() {
  const [told, tell] = useAddress({ ...EVERYTHING, open: "" });
  const { open, ...filter } = told;
  const [pages, setPages] = useState([null]);
  const [live, setLive] = useState(true);
  const [filters, showFilters] = useState(false);
  const names = useData(async (signal) => {
    const [providers, models, keys] = await Promise.all([all("/providers", signal), all("/models", signal), all("/keys", signal)]);
    return { providers, models, keys };
  });
  const cursor = pages.at(-1);
  const list = useData((signal) => get(query("/logs", { ...filter, limit: PAGE, cursor }), signal), [JSON.stringify(filter), cursor, live], live && !cursor ? RELOAD : 0);
  const { from, to, ...lasting } = filter;
  const tail = useTail(lasting, live && !cursor && !to);
  const providers = new Map(names.data?.providers.map((one) => [one.id, one.name]));
  const set = (name, value) => {
    setPages([null]);
    tell({ [name]: value });
  };
  const clear = () => {
    setPages([null]);
    tell(EVERYTHING);
  };
  const field = (name, label, control) => html`<div class="field"><label for=${`filter-${name}`}>${label}</label>${control(`filter-${name}`)}</div>`;
  const choice = (name, label, options) =>
    field(name, label, (id) => html`<select id=${id} value=${filter[name]} onChange=${(event) => set(name, event.target.value)}><option value="">${t("all")}</option>${options.map(([value, text]) => html`<option value=${value} selected=${String(value) === filter[name]}>${text}</option>`)}</select>`);
  const entry = (name, label, more) => field(name, label, (id) => html`<${Typed} id=${id} ...${more} value=${filter[name]} onEnd=${(value) => set(name, value)} />`);
  // In the address it is the same moment for everybody; in the form it is local time.
  const instant = (name, label) =>
    field(name, label, (id) => html`<${Typed} id=${id} type="datetime-local" value=${local(filter[name])} onEnd=${(value) => set(name, value && new Date(value).toISOString())} />`);
  const filtered = Object.values(filter).filter(Boolean).length;
  return html`<${Head} title=${t("Logs")} about=${t("Every request that came with a valid key, a moment after it ended.")}>
      <${Segments} label=${t("Live")} options=${{ true: t("Live"), false: t("Paused") }} value=${live} onChange=${(value) => setLive(value === "true")} />
    <//>
    <button type="button" class="fold" aria-expanded=${String(filters)} onClick=${() => showFilters(!filters)}>${filtered ? t("Filters: {count}", { count: filtered }) : t("Filters")}</button>
    <section class=${`card folds ${filters ? "open" : ""}`} aria-label=${t("Filters")}><div class="filters">
      ${choice("model", t("Model"), (names.data?.models ?? []).map((one) => [one.name, one.name]))}
      ${choice("provider_id", t("Provider"), (names.data?.providers ?? []).map((one) => [one.id, one.name]))}
      ${choice("key", t("Key"), (names.data?.keys ?? []).map((one) => [one.name, one.name]))}
      ${entry("status_code", t("Status"), { inputmode: "numeric", placeholder: "429" })}
      ${choice("stream", t("Kind"), Object.entries(KINDS).filter(([value]) => value))}
      ${entry("request_id", t("Request id"))}
      ${entry("text", t("Text"), { type: "search", maxlength: 100, title: t("In the model, provider, error, key or request id") })}
      ${instant("from", t("Since"))}${instant("to", t("Until"))}
      ${filtered > 0 && html`<button type="button" onClick=${clear}>${t("Clear the filters")}</button>`}
    </div></section>
    ${tail.leftOut > 0 && html`<div class="note warn" role="status">${t("{count} requests came too fast to be shown.", { count: count(tail.leftOut) })}</div>`}
    <section class=${`card ${list.stale ? "stale" : ""}`}><${Loaded} of=${list}>${(page) => {
      const rows = cursor ? page.data : newest(tail.rows, page.data);
      const turn = (pages.length > 1 || page.next) && html`<div class="row">
              <button type="button" disabled=${pages.length === 1} onClick=${() => setPages(pages.slice(0, -1))}>${t("Newer")}</button>
              <button type="button" disabled=${!page.next} onClick=${() => setPages([...pages, page.next])}>${t("Older")}</button>
            </div>`;
      if (rows.length === 0) {
        const title = page.next ? t("Not among these requests; there are older ones") : filtered || cursor ? t("No request is like that") : t("No request yet");
        return html`<${Empty} title=${title}>${!filtered && !cursor && html`<a class="button" href="#/playground">${t("Open the playground")}</a>`}<//>${turn}`;
      }
      return html`<div class="scroll" tabindex="0"><table>
              <thead><tr><th>${t("Time")}</th><th>${t("Status")}</th><th>${t("Model")}</th><th>${t("Provider")}</th><th>${t("Key")}</th><th class="number">${t("Attempts")}</th><th class="number">${t("Latency")}</th><th class="number">${t("First token")}</th><th class="number">${t("Tokens")}</th><th class="number">${t("Cost")}</th></tr></thead>
              <tbody>${rows.map(
                (row) => html`<tr class="opens" key=${row.request_id} onClick=${() => tell({ open: row.request_id })}>
                  <td class="nowrap"><button type="button" class="plain" title=${time(row.created_at)}>${moment(row.created_at)}</button></td>
                  <td class="nowrap"><${Status} code=${row.status_code} /> ${row.error_class && html`<span class="small muted">${row.error_class}</span>`}</td>
                  <td><div class="clip">${row.model}</div></td><td><div class="clip">${providers.get(row.provider_id) ?? "–"}</div></td><td><div class="clip">${row.user_id}</div></td>
                  <td class="number">${row.attempts.length}</td><td class="number">${duration(row.latency_ms)}</td><td class="number">${duration(row.ttft_ms)}</td>
                  <td class="number">${short(row.total_tokens)}</td><td class="number">${unpriced(row.cost)}</td>
                </tr>`,
              )}</tbody>
            </table></div>
            ${turn}`;
    }}<//></section>
    ${open && html`<${Entry} id=${open} providers=${providers} onClose=${() => tell({ open: "" })} />`}`;
}
