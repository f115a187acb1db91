import { html, useMemo } from "../../vendor/preact.js";
import { useAddress } from "../address.js";
import { get } from "../api.js";
import { Chart } from "../chart.js";
import { ago, count, duration, percent, short, unpriced, usd } from "../format.js";
import { t } from "../i18n.js";
import { Empty, Head, Loaded, Segments, State, useData } from "../ui.js";
import { reason } from "../words.js";

/** Within two seconds of its happening a failing provider is to be seen here. */
const LIVE = 1500;
/** Sums over a long time change little, and cost the database more. */
const figures = (hours) => (hours <= 6 ? 5000 : hours <= 24 ? 15_000 : 60_000);

const RANGES = { 1: t("1 hour"), 6: t("6 hours"), 24: t("24 hours"), 168: t("7 days"), 720: t("30 days") };

const Tile = ({ label, value, note }) => html`<div class="tile"><span>${label}</span><strong>${value}</strong><span>${note}</span></div>`;

function Tiles({ of }) {
  const failed = of.requests - of.successes;
  return html`<div class="tiles">
    <${Tile} label=${t("Requests")} value=${short(of.requests)} note=${t("{count} failed", { count: count(failed) })} />
    <${Tile} label=${t("Success rate")} value=${percent(of.success_rate)} note=${t("status below 400")} />
    <${Tile} label=${t("Latency, median")} value=${duration(of.latency_ms?.p50)} note=${t("95%: {value}", { value: duration(of.latency_ms?.p95) })} />
    <${Tile} label=${t("First token, median")} value=${duration(of.ttft_ms?.p50)} note=${t("95%: {value}", { value: duration(of.ttft_ms?.p95) })} />
    <${Tile} label=${t("Tokens")} value=${short(of.total_tokens)} note=${t("{in} in, {out} out", { in: short(of.prompt_tokens), out: short(of.completion_tokens) })} />
    <${Tile} label=${t("Cost")} value=${unpriced(of.cost)} note=${t("of what is priced")} />
  </div>`;
}

function Charts({ of }) {
  const { points } = of;
  const lines = useMemo(() => {
    const times = points.map((point) => Date.parse(point.at) / 1000);
    const of_ = (pick) => points.map(pick);
    return {
      times,
      traffic: [
        { label: t("answered"), colour: "chart-1", fill: true, values: of_((point) => point.successes) },
        { label: t("failed"), colour: "chart-bad", fill: true, values: of_((point) => point.requests - point.successes) },
      ],
      latency: [
        { label: t("median"), colour: "chart-1", values: of_((point) => point.latency_ms?.p50 ?? null) },
        { label: "95%", colour: "chart-3", values: of_((point) => point.latency_ms?.p95 ?? null) },
        { label: "99%", colour: "chart-bad", values: of_((point) => point.latency_ms?.p99 ?? null) },
      ],
      first: [
        { label: t("median"), colour: "chart-2", values: of_((point) => point.ttft_ms?.p50 ?? null) },
        { label: "95%", colour: "chart-3", values: of_((point) => point.ttft_ms?.p95 ?? null) },
      ],
      tokens: [
        { label: t("in"), colour: "chart-1", fill: true, values: of_((point) => point.prompt_tokens) },
        { label: t("out"), colour: "chart-2", fill: true, values: of_((point) => point.completion_tokens) },
      ],
    };
  }, [points]);
  const card = (title, series, format, summary) => html`<section class="card">
    <header><h2>${title}</h2></header>
    <${Chart} times=${lines.times} lines=${series} format=${format} summary=${summary} />
  </section>`;
  const total = of.totals;
  return html`<div class="columns">
    ${card(t("Requests"), lines.traffic, short, t("{count} requests, {rate} answered", { count: count(total.requests), rate: percent(total.success_rate) }))}
    ${card(t("Latency"), lines.latency, duration, t("Median latency {value}", { value: duration(total.latency_ms?.p50) }))}
    ${card(t("Time to first token"), lines.first, duration, t("Median time to the first token {value}", { value: duration(total.ttft_ms?.p50) }))}
    ${card(t("Tokens"), lines.tokens, short, t("{count} tokens", { count: count(total.total_tokens) }))}
  </div>`;
}

function Fleet({ health, providers }) {
  const figures = new Map(providers.map((one) => [one.provider_id, one]));
  return html`<section class="card">
    <header><h2>${t("Providers")}</h2><a href="#/providers">${t("All about them")}</a></header>
    ${health.providers.length === 0
      ? html`<${Empty} title=${t("No provider yet")}><p>${t("A provider is an account or a server that answers.")}</p><a class="button" href="#/providers">${t("Add a provider")}</a><//>`
      : html`<div class="scroll" tabindex="0"><table>
          <thead><tr><th>${t("Provider")}</th><th>${t("State")}</th><th class="number">${t("Requests")}</th><th class="number">${t("Success rate")}</th>
            <th class="number">${t("Latency")}</th><th class="number">${t("Running")}</th><th class="number">${t("Cost")}</th></tr></thead>
          <tbody>${health.providers.map((one) => {
            const sums = figures.get(one.provider_id);
            return html`<tr key=${one.provider_id}>
              <td class="nowrap"><strong>${one.name}</strong></td>
              <td><${State} of=${one.state} enabled=${one.enabled} problem=${one.problem} />
                ${one.state !== "healthy" && one.enabled && html`<div class="small muted clip wide" title=${one.last_error ?? ""}>${[one.problem ?? reason(one.reason), one.last_error].filter(Boolean).join(": ")}${one.next_retry_at && ` · ${t("tried again {when}", { when: ago(one.next_retry_at) })}`}</div>`}</td>
              <td class="number">${count(sums?.requests ?? 0)}</td>
              <td class="number">${percent(sums?.success_rate)}</td>
              <td class="number">${duration(sums?.avg_latency_ms)}</td>
              <td class="number">${count(one.in_flight)}</td>
              <td class="number">${usd(sums?.cost)}</td>
            </tr>`;
          })}</tbody>
        </table></div>`}
  </section>`;
}

function ByModel({ models }) {
  return html`<section class="card">
    <header><h2>${t("Models")}</h2><a href="#/models">${t("Who serves them")}</a></header>
    ${models.length === 0
      ? html`<${Empty} title=${t("No request yet")}><p>${t("Send one from the playground, or point an SDK here.")}</p><a class="button" href="#/playground">${t("Open the playground")}</a><//>`
      : html`<div class="scroll" tabindex="0"><table>
          <thead><tr><th>${t("Model")}</th><th class="number">${t("Requests")}</th><th class="number">${t("Success rate")}</th><th class="number">${t("Tokens")}</th><th class="number">${t("Latency")}</th><th class="number">${t("Cost")}</th></tr></thead>
          <tbody>${models.slice(0, 12).map(
            (one) => html`<tr key=${one.model}>
              <td class="nowrap"><a href=${`#/logs?model=${encodeURIComponent(one.model)}`}>${one.model || t("none named")}</a></td>
              <td class="number">${count(one.requests)}</td><td class="number">${percent(one.success_rate)}</td>
              <td class="number">${short(one.total_tokens)}</td><td class="number">${duration(one.avg_latency_ms)}</td><td class="number">${usd(one.cost)}</td>
            </tr>`,
          )}</tbody>
        </table></div>`}
  </section>`;
}

export function Overview() {
  const [chosen, tell] = useAddress({ hours: "1" });
  const hours = chosen.hours in RANGES ? Number(chosen.hours) : 1;
  const health = useData((signal) => get("/health", signal), [], LIVE);
  const stats = useData((signal) => get(`/stats?hours=${hours}`, signal), [hours], figures(hours));
  const series = useData((signal) => get(`/stats/series?hours=${hours}`, signal), [hours], figures(hours));
  // Figures of another range are not to be taken for those of the one chosen.
  const of = (shown) => `stack ${shown.stale ? "stale" : ""}`;
  return html`<${Head} title=${t("Overview")}>
      <${Segments} label=${t("Time range")} options=${RANGES} value=${hours} onChange=${(value) => tell({ hours: value })} />
    <//>
    <div class=${of(series)} aria-busy=${String(series.stale)}><${Loaded} of=${series}>${(data) => html`<${Tiles} of=${data.totals} />`}<//></div>
    <${Loaded} of=${health}>${(fleet) => html`<${Fleet} health=${fleet} providers=${stats.data?.providers ?? []} />`}<//>
    ${series.data && html`<div class=${of(series)}><${Charts} of=${series.data} /></div>`}
    <div class=${of(stats)}><${Loaded} of=${stats}>${(data) => html`<${ByModel} models=${data.models} />`}<//></div>`;
}
