//! The typed `config` column of `providers`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Configuration of a provider, as stored. Unknown fields are refused: a misspelt setting must not pass unseen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProviderConfig {
    /// What that vendor's SDK takes; absent means the vendor's own address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_url: Option<String>,
    /// `sealed:v1:...`, `plain:...`, `env:NAME` or `file:/path`; absent for servers without a key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_key: Option<String>,
    /// Tier: higher is tried first.
    #[serde(default = "default_priority")]
    pub priority: i32,
    /// Factor on the weight of each of its associations.
    #[serde(default = "default_weight")]
    pub weight: u32,
    /// Most attempts that may run at it at a time; absent means no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_concurrent: Option<u32>,
    /// Requests in any 60 seconds, from each gateway; absent means no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rpm: Option<u64>,
    /// Tokens in any 60 seconds, from each gateway; absent means no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tpm: Option<u64>,
    /// Added to every request to this provider.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// Egress proxy, `http://host:port`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proxy: Option<String>,
    /// PEM file of certificate authorities to trust instead of the public ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<String>,
    /// Which of OpenAI's two APIs for generated text the server has; for types `openai` and `azure`. Absent means
    /// `both`, or `chat` with Azure's dated API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api: Option<OpenAiApi>,
    /// What becomes of images and files by URL in requests that are translated for it; absent means `pass`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub urls: Option<MediaUrls>,
    /// Type `azure`: version of the dated API; absent means the v1 API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_version: Option<String>,
    /// Type `bedrock`: AWS region.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// Type `bedrock`: id of the access key, or `env:NAME` or `file:/path`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access_key_id: Option<String>,
    /// Type `bedrock`: the access key's secret, in the forms of `api_key`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_access_key: Option<String>,
    /// Type `bedrock`: token of temporary credentials, in the forms of `api_key`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_token: Option<String>,
    /// Type `vertex`: the project's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<String>,
    /// Type `vertex`: region, `global`, `us` or `eu`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub location: Option<String>,
    /// Type `vertex`: text of the service account's key file, in the forms of `api_key`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_account: Option<String>,
    /// What holds for single models, by the provider's names for them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub models: BTreeMap<String, ProviderModelConfig>,
}

/// Which of OpenAI's two APIs for generated text a server has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OpenAiApi {
    /// Both; each request goes to its own, those of other protocols to Chat Completions.
    #[default]
    Both,
    /// Chat Completions only; what comes for Responses is translated.
    Chat,
    /// Responses only; everything else is translated to it.
    Responses,
}

/// What becomes of images and files by URL in requests that are translated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MediaUrls {
    /// The provider gets the URL, and fetches it.
    #[default]
    Pass,
    /// The gateway fetches it, from public addresses only, and sends the bytes.
    Fetch,
    /// The request is refused.
    Refuse,
}

/// How a model is told to reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Thinking {
    /// Not at all.
    None,
    /// By an effort.
    Effort,
    /// By a budget of tokens.
    Budget,
    /// By itself, with an effort.
    Adaptive,
    /// By a level.
    Level,
}

/// What holds for one model of a provider. What is absent is as its name tells, or as for the provider.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProviderModelConfig {
    /// Limit of output tokens that is sent where the protocol requires one and the client named none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<u64>,
    /// How it is told to reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thinking: Option<Thinking>,
    /// Whether it takes `temperature`, `top_p` and `top_k`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sampling: Option<bool>,
    /// Whether it goes on from a turn of the assistant's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefill: Option<bool>,
    /// As the provider's `api`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api: Option<OpenAiApi>,
    /// Requests in any 60 seconds, from each gateway; absent means no limit but the provider's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rpm: Option<u64>,
    /// Tokens in any 60 seconds, from each gateway; absent means no limit but the provider's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tpm: Option<u64>,
    /// Added to every request for it; they win over the provider's.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// Members that are added to the body of every request for it, unless the request has them.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub extra_body: Map<String, Value>,
}

impl Default for ProviderConfig {
    fn default() -> Self {
        Self {
            base_url: None,
            api_key: None,
            priority: default_priority(),
            weight: default_weight(),
            max_concurrent: None,
            rpm: None,
            tpm: None,
            headers: BTreeMap::new(),
            proxy: None,
            ca_file: None,
            api: None,
            urls: None,
            api_version: None,
            region: None,
            access_key_id: None,
            secret_access_key: None,
            session_token: None,
            project: None,
            location: None,
            service_account: None,
            models: BTreeMap::new(),
        }
    }
}

fn default_priority() -> i32 {
    100
}

fn default_weight() -> u32 {
    100
}
