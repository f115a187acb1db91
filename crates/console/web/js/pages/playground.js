import { html, useRef, useState } from "../../vendor/preact.js";
import { useAddress } from "../address.js";
import { all, get, post } from "../api.js";
import { count, duration } from "../format.js";
import { t } from "../i18n.js";
import { read, tab, write } from "../storage.js";
import { Action, Empty, Head, Loaded, byName, useData } from "../ui.js";
import { Attempts } from "./logs.js";

/** The data of server-sent events as they come. */
async function* events(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const lines = (rest + value).split(/\r?\n/);
    rest = lines.pop();
    for (const line of lines) if (line.startsWith("data:")) yield line.slice(5).trim();
  }
}

/** What the log tells of a request. It is written a moment after the request has ended. */
async function written(id, signal) {
  for (let left = 10; ; left -= 1) {
    try {
      return await get(`/logs/${id}`, signal);
    } catch (error) {
      if (error.status !== 404 || left === 0) throw error;
      await new Promise((done) => setTimeout(done, 300));
    }
  }
}

/** Who was asked for it, one after the other. */
function Way({ id }) {
  const way = useData(async (signal) => {
    const [entry, providers] = await Promise.all([written(id, signal), all("/providers", signal)]);
    return { entry, providers: new Map(providers.map((one) => [one.id, one.name])) };
  }, [id]);
  return html`<${Loaded} of=${way}>${({ entry, providers }) => entry.attempts.length > 0 && html`<${Attempts} of=${entry} providers=${providers} />`}<//>`;
}

const ROUTE = ["x-gateway-provider", "x-gateway-attempts", "server-timing", "x-request-id"];

export function Playground() {
  const models = useData(async (signal) => (await all("/models", signal)).sort(byName));
  const [{ model }, tell] = useAddress({ model: "" });
  const [key, setKey] = useState(read(tab, "client-key") ?? "");
  const [prompt, setPrompt] = useState("");
  const [messages, setMessages] = useState([]);
  const [route, setRoute] = useState(null);
  const [fault, setFault] = useState(null);
  const [running, setRunning] = useState(false);
  const abort = useRef(null);
  const remember = (value) => {
    setKey(value);
    write(tab, "client-key", value || null);
  };
  const makeKey = async () => remember((await post("/keys", { name: `playground-${new Date().toISOString().slice(0, 19)}` })).key);

  const ready = !running && prompt.trim() !== "" && key !== "";

  const send = async (event) => {
    event.preventDefault();
    // The keyboard submits the form even while its button is disabled.
    if (!ready) return;
    const asked = [...messages, { role: "user", content: prompt }];
    setMessages(asked);
    setPrompt("");
    setFault(null);
    setRoute(null);
    setRunning(true);
    abort.current = new AbortController();
    const begun = performance.now();
    let answer = "";
    let first = null;
    let usage = null;
    try {
      const response = await fetch("../v1/chat/completions", {
        method: "POST",
        signal: abort.current.signal,
        headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
        body: JSON.stringify({ model: model || models.data[0].name, messages: asked, stream: true, stream_options: { include_usage: true } }),
      });
      const told = Object.fromEntries(ROUTE.map((name) => [name, response.headers.get(name)]).filter(([, value]) => value));
      const show = () => setRoute({ ...told, first, usage, took: performance.now() - begun, status: response.status });
      show();
      if (!response.ok) throw new Error((await response.json()).error.message);
      for await (const data of events(response.body)) {
        if (data === "[DONE]") break;
        const chunk = JSON.parse(data);
        if (chunk.error) throw new Error(chunk.error.message);
        usage = chunk.usage ?? usage;
        const piece = chunk.choices?.[0]?.delta?.content;
        if (piece) {
          first ??= performance.now() - begun;
          answer += piece;
          setMessages([...asked, { role: "assistant", content: answer }]);
        }
        show();
      }
    } catch (error) {
      if (error.name !== "AbortError") setFault(error.message);
    }
    setRunning(false);
  };

  return html`<${Head} title=${t("Playground")} about=${t("A chat through the gateway, as a client of Chat Completions sees it, and the route that each answer took.")}>
      <button type="button" disabled=${running || messages.length === 0} onClick=${() => (setMessages([]), setRoute(null), setFault(null))}>${t("Start over")}</button>
    <//>
    <${Loaded} of=${models}>${(list) =>
      list.length === 0
        ? html`<section class="card"><${Empty} title=${t("No model yet")}><p>${t("Import what a provider offers, or add a name of your own.")}</p><a class="button" href="#/providers">${t("Providers")}</a><//></section>`
        : html`<div class="columns">
            <section class="card stack">
              ${messages.length === 0
                ? html`<${Empty} title=${t("Ask something")} />`
                : html`<div class="chat" aria-live="polite">${messages.map((one) => html`<div class=${one.role}><span class="visually-hidden">${one.role === "user" ? t("You") : t("Answer")}: </span>${one.content}</div>`)}</div>`}
              ${fault && html`<div class="note bad" role="alert">${fault}</div>`}
              <form class="stack" onSubmit=${send}>
                <textarea aria-label=${t("Message")} value=${prompt} placeholder=${t("Message")} onInput=${(event) => setPrompt(event.target.value)}
                  onKeyDown=${(event) => event.key === "Enter" && (event.ctrlKey || event.metaKey) && event.target.form.requestSubmit()} />
                <div class="end row">
                  ${running && html`<button type="button" onClick=${() => abort.current.abort()}>${t("Stop")}</button>`}
                  <button type="submit" class="primary" disabled=${!ready}>${t("Send")}</button>
                </div>
              </form>
            </section>
            <section class="card stack">
              <div class="field"><label for="play-model">${t("Model")}</label>
                <select id="play-model" onChange=${(event) => tell({ model: event.target.value })}>${list.map((one) => html`<option value=${one.name} selected=${one.name === (model || list[0].name)}>${one.name}</option>`)}</select></div>
              <div class="field"><label for="play-key">${t("Client key")}</label>
                <input id="play-key" type="password" autocomplete="off" value=${key} onInput=${(event) => remember(event.target.value.trim())} />
                <div class="hint">${t("It stays in this tab.")}</div></div>
              ${!key && html`<${Action} does=${makeKey} said=${t("A key was made; it is listed among the keys.")}>${t("Make a key for this")}<//>`}
              <h3>${t("The route it took")}</h3>
              ${route === null
                ? html`<p class="muted">${t("Nothing was sent yet.")}</p>`
                : html`<dl id="route">
                    <dt>${t("Status")}</dt><dd>${route.status}</dd>
                    <dt>${t("Provider")}</dt><dd>${route["x-gateway-provider"] ?? "–"}</dd>
                    <dt>${t("Attempts")}</dt><dd>${route["x-gateway-attempts"] ?? "0"}</dd>
                    <dt>${t("First token")}</dt><dd>${duration(route.first)}</dd>
                    <dt>${t("Whole answer")}</dt><dd>${duration(route.took)}</dd>
                    <dt>${t("Tokens")}</dt><dd>${route.usage ? t("{in} in, {out} out", { in: count(route.usage.prompt_tokens), out: count(route.usage.completion_tokens) }) : "–"}</dd>
                    <dt>${t("Request id")}</dt><dd><a href=${`#/logs?request_id=${route["x-request-id"]}`}><code>${route["x-request-id"]}</code></a></dd>
                    <dt>server-timing</dt><dd class="mono small">${route["server-timing"] ?? "–"}</dd>
                  </dl>
                  ${!running && route["x-request-id"] && html`<${Way} id=${route["x-request-id"]} />`}`}
            </section>
          </div>`}<//>`;
}
