import { html } from "../../vendor/preact.js";
import { useAddress } from "../address.js";
import { all } from "../api.js";
import { t } from "../i18n.js";
import { Copy, Head, Segments, byName, useData } from "../ui.js";

const base = new URL("..", location.href).href.replace(/\/$/, "");

/** Ready to be pasted; `key` stands for a client key. */
const SNIPPETS = {
  curl: (model) => `curl ${base}/v1/chat/completions \\
  -H "Authorization: Bearer $KEY" -H "Content-Type: application/json" \\
  -d '{"model": "${model}", "messages": [{"role": "user", "content": "Hello!"}]}'`,
  "OpenAI · Python": (model) => `from openai import OpenAI

client = OpenAI(base_url="${base}/v1", api_key="KEY")
answer = client.chat.completions.create(model="${model}", messages=[{"role": "user", "content": "Hello!"}])
print(answer.choices[0].message.content)`,
  "OpenAI · JavaScript": (model) => `import OpenAI from "openai";

const client = new OpenAI({ baseURL: "${base}/v1", apiKey: "KEY" });
const answer = await client.responses.create({ model: "${model}", input: "Hello!" });
console.log(answer.output_text);`,
  "Anthropic · Python": (model) => `from anthropic import Anthropic

client = Anthropic(base_url="${base}", api_key="KEY")
answer = client.messages.create(model="${model}", max_tokens=1024, messages=[{"role": "user", "content": "Hello!"}])
print(answer.content[0].text)`,
  "Google · Python": (model) => `from google import genai

client = genai.Client(api_key="KEY", http_options={"base_url": "${base}"})
answer = client.models.generate_content(model="${model}", contents="Hello!")
print(answer.text)`,
  "Claude Code": (model) => `export ANTHROPIC_BASE_URL=${base}
export ANTHROPIC_AUTH_TOKEN=KEY
export ANTHROPIC_MODEL=${model}
claude`,
  Codex: (model) => `# ~/.codex/config.toml; export GATEWAY_KEY=KEY
model = "${model}"
model_provider = "gateway"

[model_providers.gateway]
name = "LLM Orchestrator"
base_url = "${base}/v1"
env_key = "GATEWAY_KEY"
wire_api = "responses"`,
  "Cherry Studio": (model) => `${t("Settings → Model Provider → Add, of type OpenAI:")}

API Host   ${base}
API Key    KEY
${t("Model")}      ${model}`,
  "Open WebUI": (model) => `${t("Admin Panel → Settings → Connections → OpenAI API → Add:")}

URL        ${base}/v1
API Key    KEY
${t("Model")}      ${model}`,
};

export function Quickstart() {
  const models = useData(async (signal) => (await all("/models", signal)).sort(byName));
  const [chosen, tell] = useAddress({ client: "curl", model: "" });
  const client = chosen.client in SNIPPETS ? chosen.client : "curl";
  const model = chosen.model || models.data?.[0]?.name || "MODEL";
  const snippet = SNIPPETS[client](model);
  return html`<${Head} title=${t("Quick start")} about=${t("Only the address and the key change in a client.")} />
    <section class="card stack">
      <div class="row"><${Segments} label=${t("Client")} options=${Object.fromEntries(Object.keys(SNIPPETS).map((name) => [name, name]))} value=${client} onChange=${(value) => tell({ client: value })} /></div>
      <div class="filters"><div class="field"><label for="quick-model">${t("Model")}</label>
        <select id="quick-model" onChange=${(event) => tell({ model: event.target.value })}>${(models.data ?? []).map((one) => html`<option value=${one.name} selected=${one.name === model}>${one.name}</option>`)}</select></div></div>
      <pre>${snippet}</pre>
      <div class="row"><${Copy} text=${snippet} /><span class="muted">${t("KEY is a client key:")} <a href="#/keys">${t("Create a key")}</a></span></div>
    </section>
    <section class="card stack"><h2>${t("Addresses")}</h2><dl>
      <dt>OpenAI</dt><dd><code>${base}/v1</code></dd><dt>Anthropic</dt><dd><code>${base}</code></dd><dt>Google</dt><dd><code>${base}</code></dd>
      <dt>${t("Admin API")}</dt><dd><code>${base}/api</code> · <a href="../docs">${t("its documentation")}</a></dd></dl></section>`;
}
