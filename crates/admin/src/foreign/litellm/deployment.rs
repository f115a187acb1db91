//! One entry of `model_list`: where it is sent, and with what.

use std::collections::BTreeMap;

use catalog::ProviderKind;
use serde_json::{Map, Value, json};

use super::{
    Context,
    vendor::{self, OLLAMA, Vendor},
};
use crate::foreign::value::{flag, integer, number, object, text, usd};

/// Members of `litellm_params` that a provider takes in the body where a request has none of its own.
const DEFAULTS: [&str; 12] = [
    "temperature",
    "top_p",
    "top_k",
    "n",
    "stop",
    "seed",
    "presence_penalty",
    "frequency_penalty",
    "reasoning_effort",
    "response_format",
    "user",
    "service_tier",
];

/// What is read of `litellm_params` elsewhere than by [`DEFAULTS`].
const KNOWN: [&str; 32] = [
    "model",
    "custom_llm_provider",
    "litellm_credential_name",
    "api_key",
    "api_base",
    "base_url",
    "api_version",
    "organization",
    "extra_headers",
    "headers",
    "extra_body",
    "max_tokens",
    "max_completion_tokens",
    "rpm",
    "tpm",
    "weight",
    "order",
    "timeout",
    "stream_timeout",
    "aws_region_name",
    "aws_access_key_id",
    "aws_secret_access_key",
    "aws_session_token",
    "vertex_project",
    "vertex_location",
    "vertex_credentials",
    "input_cost_per_token",
    "output_cost_per_token",
    "cache_read_input_token_cost",
    "cache_creation_input_token_cost",
    "tags",
    "mock_response",
];

/// Where a model is served.
#[derive(Debug)]
pub(super) struct Deployment {
    /// Where it stands in the file.
    pub(super) at: String,
    /// The name that clients ask for.
    pub(super) group: String,
    /// What the provider calls it; `None` where it stands for all of the provider's models.
    pub(super) provider_model: Option<String>,
    /// What to call the provider.
    pub(super) provider: String,
    pub(super) kind: &'static str,
    /// Of the provider.
    pub(super) config: Value,
    /// Of this model there.
    pub(super) settings: Map<String, Value>,
    /// What its share is told by: `weight`, else `rpm`, else `tpm`.
    pub(super) shares: [Option<f64>; 3],
    /// Lower comes first.
    pub(super) order: Option<i64>,
    /// Seconds: of a whole answer, and to the first of a stream.
    pub(super) timeouts: [Option<f64>; 2],
    pub(super) prices: BTreeMap<&'static str, String>,
    pub(super) flags: Value,
    /// What could not be carried over.
    pub(super) warnings: Vec<String>,
}

/// Reads an entry.
///
/// # Errors
/// Why it cannot be served from here.
pub(super) fn read(context: &Context, at: String, entry: &Value) -> Result<Deployment, String> {
    let group = text(entry, "model_name").ok_or("has no model_name")?;
    let mut params = object(entry, "litellm_params").ok_or("has no litellm_params")?;
    let mut warnings = Vec::new();
    if let Some(name) = params
        .get("litellm_credential_name")
        .and_then(Value::as_str)
    {
        let held = context.credentials.get(name);
        let held = held.ok_or_else(|| format!("there is no credential '{name}' in the file"))?;
        for (name, value) in held {
            params.entry(name).or_insert_with(|| value.clone());
        }
    }
    let params = Value::Object(params);
    let info = entry.get("model_info").cloned().unwrap_or_default();
    let model = context.plain(&params, "model")?.ok_or("has no model")?;
    let said = text(&params, "custom_llm_provider");
    let (vendor, name) = vendor::of(&model, said.as_deref())
        .ok_or_else(|| format!("the API that '{model}' is of is not spoken here, or not known"))?;
    let mut config = connection(context, &params, vendor)?;
    let name = named(vendor, name)?;
    let headers = headers(context, &params)?;
    if !headers.is_empty() {
        config["headers"] = Value::Object(headers);
    }
    let unknown: Vec<_> = params
        .as_object()
        .into_iter()
        .flat_map(Map::keys)
        .filter(|name| !KNOWN.contains(&name.as_str()) && !DEFAULTS.contains(&name.as_str()))
        .map(String::as_str)
        .collect();
    if !unknown.is_empty() {
        warnings.push(format!(
            "litellm_params without a counterpart: {}",
            unknown.join(", ")
        ));
    }
    let is_everything = name.contains('*') || group.contains('*');
    if is_everything {
        warnings.push("stands for all models of the provider: import those that are wanted from the provider itself".to_owned());
    }
    Ok(Deployment {
        at,
        provider: provider_name(vendor, &config),
        kind: vendor.kind,
        provider_model: (!is_everything).then_some(name),
        settings: settings(&params, vendor),
        shares: ["weight", "rpm", "tpm"]
            .map(|name| number(&params, name).or_else(|| number(entry, name))),
        order: integer(&params, "order"),
        timeouts: ["timeout", "stream_timeout"]
            .map(|name| number(&params, name).filter(|it| *it > 0.0)),
        prices: prices(&params, &info),
        flags: flags(&info),
        config,
        group,
        warnings,
    })
}

fn connection(context: &Context, params: &Value, vendor: Vendor) -> Result<Value, String> {
    let given = match context.plain(params, "api_base")? {
        None => context.plain(params, "base_url")?,
        given => given,
    };
    let base_url = given.map(|url| {
        let url = url.trim_end_matches('/');
        let url = ["/chat/completions", "/v1/messages"]
            .into_iter()
            .find_map(|end| url.strip_suffix(end))
            .unwrap_or(url);
        let is_short = vendor.address == OLLAMA && !url.ends_with("/v1");
        if is_short {
            format!("{url}/v1")
        } else {
            url.to_owned()
        }
    });
    let is_openai = vendor.kind == "openai";
    let base_url = base_url
        .or_else(|| (is_openai && !vendor.address.is_empty()).then(|| vendor.address.to_owned()));
    if base_url.is_none() && (is_openai || vendor.kind == "azure") {
        return Err("has no api_base".to_owned());
    }
    let secret = |name: &str| context.secret(params, name);
    let key = secret("api_key").or_else(|| vendor.key.map(|name| format!("env:{name}")));
    let mut config = json!({"base_url": base_url});
    match vendor.kind {
        "bedrock" => {
            let region = context.plain(params, "aws_region_name")?;
            config["region"] = region.ok_or("has no aws_region_name")?.into();
            if let Some(key) = secret("api_key") {
                config["api_key"] = key.into();
                return Ok(config);
            }
            let from = |name: &str, variable: &str| {
                secret(name).unwrap_or_else(|| format!("env:{variable}"))
            };
            config["access_key_id"] = from("aws_access_key_id", "AWS_ACCESS_KEY_ID").into();
            config["secret_access_key"] =
                from("aws_secret_access_key", "AWS_SECRET_ACCESS_KEY").into();
            config["session_token"] = secret("aws_session_token").into();
        }
        "vertex" => {
            let project = context.plain(params, "vertex_project")?;
            config["project"] = project.ok_or("has no vertex_project")?.into();
            let location = context.plain(params, "vertex_location")?;
            config["location"] = location.unwrap_or_else(|| "us-central1".to_owned()).into();
            let account = secret("vertex_credentials").ok_or("has no vertex_credentials")?;
            let is_path = account.starts_with('/');
            config["service_account"] = if is_path {
                format!("file:{account}")
            } else {
                account
            }
            .into();
        }
        _ => config["api_key"] = key.into(),
    }
    if vendor.kind == "azure" {
        config["api_version"] = context.plain(params, "api_version")?.into();
    }
    // Chat Completions is what LiteLLM speaks to these; the rest is translated.
    if is_openai && vendor != vendor::OPENAI {
        config["api"] = "chat".into();
    }
    Ok(config)
}

/// What the provider calls the model. Before Amazon's names may stand by which of its operations they are called.
fn named(vendor: Vendor, name: &str) -> Result<String, String> {
    let routes = ["converse/", "invoke/", "converse_like/"];
    let is_amazons = vendor.kind == "bedrock";
    let bare = routes
        .into_iter()
        .find_map(|route| name.strip_prefix(route))
        .filter(|_| is_amazons);
    let name = bare.unwrap_or(name);
    let kind: Option<ProviderKind> = vendor.kind.parse().ok();
    match kind
        .filter(|_| !name.contains('*'))
        .and_then(|kind| kind.refuses(name))
    {
        Some(reason) => Err(reason.to_string()),
        None => Ok(name.to_owned()),
    }
}

/// The vendor's name, and the host's where it is not the vendor's.
fn provider_name(vendor: Vendor, config: &Value) -> String {
    let url = text(config, "base_url").filter(|url| url != vendor.address);
    let host = url.and_then(|url| url::Url::parse(&url).ok()?.host_str().map(str::to_owned));
    match host {
        Some(host) => format!("{}-{host}", vendor.name),
        None => vendor.name.to_owned(),
    }
}

fn headers(context: &Context, params: &Value) -> Result<Map<String, Value>, String> {
    let mut headers = Map::new();
    for name in ["headers", "extra_headers"] {
        let given = Value::Object(object(params, name).unwrap_or_default());
        for name in given.as_object().into_iter().flat_map(Map::keys) {
            if let Some(value) = context.secret(&given, name) {
                headers.insert(name.to_ascii_lowercase(), value.into());
            }
        }
    }
    if let Some(organization) = context.plain(params, "organization")? {
        headers.insert("openai-organization".to_owned(), organization.into());
    }
    Ok(headers)
}

fn settings(params: &Value, vendor: Vendor) -> Map<String, Value> {
    let mut settings = Map::new();
    for limit in ["rpm", "tpm"] {
        if let Some(number) = integer(params, limit).filter(|number| *number > 0) {
            settings.insert(limit.to_owned(), number.into());
        }
    }
    let mut body = Map::new();
    for name in DEFAULTS {
        if let Some(value) = params.get(name).filter(|value| !value.is_null()) {
            body.insert(name.to_owned(), value.clone());
        }
    }
    for name in ["max_tokens", "max_completion_tokens"] {
        let Some(most) = integer(params, name).filter(|most| *most > 0) else {
            continue;
        };
        if matches!(vendor.kind, "openai" | "azure") {
            body.insert(name.to_owned(), most.into());
        } else {
            settings.insert("max_tokens".to_owned(), most.into());
        }
    }
    body.extend(object(params, "extra_body").unwrap_or_default());
    if !body.is_empty() {
        settings.insert("extra_body".to_owned(), Value::Object(body));
    }
    settings
}

/// LiteLLM has prices by token.
fn prices(params: &Value, info: &Value) -> BTreeMap<&'static str, String> {
    const AMOUNTS: [(&str, &str); 4] = [
        ("input", "input_cost_per_token"),
        ("output", "output_cost_per_token"),
        ("cache_read", "cache_read_input_token_cost"),
        ("cache_write", "cache_creation_input_token_cost"),
    ];
    let amount = |name| {
        number(params, name)
            .or_else(|| number(info, name))
            .filter(|amount| *amount >= 0.0)
    };
    AMOUNTS
        .into_iter()
        .filter_map(|(here, there)| Some((here, usd(amount(there)? * 1e6))))
        .collect()
}

/// What nothing is said of is passed on, as LiteLLM does.
fn flags(info: &Value) -> Value {
    json!({
        "tool_call": flag(info, "supports_function_calling").unwrap_or(true),
        "structured_output": flag(info, "supports_response_schema").unwrap_or(true),
        "image": flag(info, "supports_vision").unwrap_or(true),
    })
}
