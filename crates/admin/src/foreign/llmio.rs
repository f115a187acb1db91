//! llmio: its tables, as of the versions whose keys are in the database. Source: `models/model.go` of its repository.

use std::collections::HashMap;

use access::KeyHash;
use serde_json::{Map, Value, json};

use super::{
    draft::Draft,
    value::{flag, integer, moment, names, number, object, text, usd},
};
use crate::document::{Document, Fault, Kind};

pub(super) const PROVIDER: &[&str] = &[
    "id",
    "deleted_at",
    "name",
    "type",
    "config",
    "proxy",
    "error_matcher",
];
pub(super) const MODEL: &[&str] = &[
    "id",
    "deleted_at",
    "name",
    "remark",
    "max_retry",
    "time_out",
    "strategy",
];
pub(super) const ASSOCIATION: &[&str] = &[
    "id",
    "deleted_at",
    "model_id",
    "provider_id",
    "provider_model",
    "tool_call",
    "structured_output",
    "image",
    "with_header",
    "status",
    "customer_headers",
    "extra_body",
    "weight",
    "input_price",
    "cache_read_price",
    "output_price",
    "currency",
];
pub(super) const KEY: &[&str] = &[
    "id",
    "deleted_at",
    "name",
    "key",
    "status",
    "allow_all",
    "models",
    "expires_at",
];

/// The rows of the file.
#[derive(Debug, Default)]
pub(super) struct Tables {
    pub(super) providers: Vec<Value>,
    pub(super) models: Vec<Value>,
    pub(super) associations: Vec<Value>,
    pub(super) keys: Vec<Value>,
}

/// A provider that can be called from here.
struct Provider {
    at: String,
    name: String,
    fields: Value,
    /// What holds for single models of it.
    models: Map<String, Value>,
}

/// Reads the tables.
pub(super) fn document(tables: &Tables) -> (Document, Vec<Fault>) {
    let mut draft = Draft::default();
    let mut providers = providers(&mut draft, &alive(&tables.providers));
    let mut models = HashMap::new();
    for row in alive(&tables.models) {
        if let Some((id, name)) = model(&mut draft, row) {
            models.insert(id, name);
        }
    }
    for row in alive(&tables.associations) {
        association(&mut draft, row, &models, &mut providers);
    }
    let mut providers: Vec<_> = providers.into_iter().collect();
    providers.sort_unstable_by_key(|(id, _)| *id);
    for (_, mut provider) in providers {
        if !provider.models.is_empty() {
            provider.fields["config"]["models"] = Value::Object(provider.models);
        }
        draft.add(Kind::Provider, &provider.at, provider.fields);
    }
    for row in alive(&tables.keys) {
        key(&mut draft, row);
    }
    draft.finish()
}

/// Deleted rows stay in the file, marked.
fn alive(rows: &[Value]) -> Vec<&Value> {
    rows.iter()
        .filter(|row| row.get("deleted_at").is_none_or(Value::is_null))
        .collect()
}

fn at(table: &str, row: &Value) -> String {
    let name = text(row, "name")
        .or_else(|| text(row, "id"))
        .unwrap_or_default();
    format!("{table} '{name}'")
}

fn providers(draft: &mut Draft, rows: &[&Value]) -> HashMap<i64, Provider> {
    let mut found = HashMap::new();
    for row in rows {
        let at = at("providers", row);
        let (Some(id), Some(name)) = (integer(row, "id"), text(row, "name")) else {
            draft.warn(&at, "has no name, and is left out");
            continue;
        };
        let given = Value::Object(object(row, "config").unwrap_or_default());
        let base_url = text(&given, "base_url");
        let kind = text(row, "type").unwrap_or_default();
        // What was called so far is what is there: its address may have no Responses, or nothing else.
        let (kind, api) = match kind.as_str() {
            "openai" => ("openai", Some("chat")),
            "openai-res" => ("openai", Some("responses")),
            "anthropic" => ("anthropic", None),
            "gemini" => ("gemini", None),
            other => {
                draft.warn(
                    &at,
                    format!("is of type '{other}', which is not known here, and is left out"),
                );
                continue;
            }
        };
        let mut config =
            json!({"base_url": base_url, "api_key": text(&given, "api_key"), "api": api});
        if kind == "anthropic" {
            let mut headers = Map::new();
            for (name, member) in [("anthropic-version", "version"), ("anthropic-beta", "beta")] {
                if let Some(value) = text(&given, member) {
                    headers.insert(name.to_owned(), value.into());
                }
            }
            config["headers"] = Value::Object(headers);
        }
        match text(row, "proxy") {
            Some(proxy) if proxy.starts_with("http://") => config["proxy"] = proxy.into(),
            Some(_) => draft.warn(&at, "its proxy is none of http://, and is left out"),
            None => {}
        }
        if text(row, "error_matcher").is_some() {
            draft.warn(&at, "its error matcher is left out: answers that carry an error are known as such without one");
        }
        let name = draft.unique(Kind::Provider, &name);
        let fields = json!({"name": name, "type": kind, "config": config});
        let models = Map::new();
        found.insert(
            id,
            Provider {
                at,
                name,
                fields,
                models,
            },
        );
    }
    found
}

fn model(draft: &mut Draft, row: &Value) -> Option<(i64, String)> {
    let at = at("models", row);
    let (id, name) = (integer(row, "id")?, text(row, "name")?);
    if !draft.is_new(Kind::Model, &name) {
        draft.warn(&at, "another model has its name, and it is left out");
        return None;
    }
    if text(row, "strategy").is_some_and(|strategy| strategy == "rotor") {
        draft.warn(&at, "its strategy 'rotor', the heaviest first, becomes 'weighted': for an order, give providers priorities");
    }
    let fields = json!({
        "name": name, "remark": text(row, "remark"), "max_retry": integer(row, "max_retry"),
        "timeout": integer(row, "time_out").filter(|seconds| *seconds > 0),
    });
    draft.add(Kind::Model, &at, fields);
    Some((id, name))
}

fn association(
    draft: &mut Draft,
    row: &Value,
    models: &HashMap<i64, String>,
    providers: &mut HashMap<i64, Provider>,
) {
    let at = format!(
        "model_with_providers {}",
        text(row, "id").unwrap_or_default()
    );
    let model = integer(row, "model_id").and_then(|id| models.get(&id));
    let provider = integer(row, "provider_id").and_then(|id| providers.get_mut(&id));
    let (Some(model), Some(provider), Some(provider_model)) =
        (model, provider, text(row, "provider_model"))
    else {
        draft.warn(
            &at,
            "its model or provider is not there, and it is left out",
        );
        return;
    };
    let mut settings = Map::new();
    if let Some(headers) = object(row, "customer_headers") {
        settings.insert("headers".to_owned(), Value::Object(headers));
    }
    if let Some(body) = object(row, "extra_body") {
        settings.insert("extra_body".to_owned(), Value::Object(body));
    }
    if !settings.is_empty() {
        let settings = Value::Object(settings);
        let held = provider
            .models
            .entry(provider_model.clone())
            .or_insert_with(|| settings.clone());
        if *held != settings {
            draft.warn(&at, "another association of this provider's model has other headers or another extra body, which hold");
        }
    }
    if flag(row, "with_header") == Some(true) {
        draft.warn(&at, "headers of clients are not passed on to providers, but for those that their protocol has");
    }
    let flags = json!({
        "tool_call": flag(row, "tool_call").unwrap_or(false),
        "structured_output": flag(row, "structured_output").unwrap_or(false),
        "image": flag(row, "image").unwrap_or(false),
        "enabled": flag(row, "status").unwrap_or(true),
    });
    let names = [model.as_str(), &provider.name, &provider_model];
    draft.associate(&at, names, integer(row, "weight").unwrap_or(1), flags);
    price(draft, &at, row, &provider.name, &provider_model);
}

/// Prices are per million tokens, in any currency.
fn price(draft: &mut Draft, at: &str, row: &Value, provider: &str, provider_model: &str) {
    let amount = |name| number(row, name).filter(|amount| *amount > 0.0).map(usd);
    let (input, output) = (amount("input_price"), amount("output_price"));
    if input.is_none() && output.is_none() {
        return;
    }
    let currency = text(row, "currency").unwrap_or_default();
    if !currency.is_empty() && !currency.eq_ignore_ascii_case("usd") && currency != "$" {
        draft.warn(
            at,
            format!("its prices are in {currency} and are left out: prices are in USD"),
        );
        return;
    }
    if draft.is_new(Kind::Price, &format!("{provider}/{provider_model}")) {
        let fields = json!({
            "provider": provider, "model_pattern": provider_model, "input": input, "output": output,
            "cache_read": amount("cache_read_price"),
        });
        draft.add(Kind::Price, at, fields);
    }
}

fn key(draft: &mut Draft, row: &Value) {
    let at = at("auth_keys", row);
    let (Some(name), Some(secret)) = (text(row, "name"), text(row, "key")) else {
        draft.warn(&at, "has no name or no secret, and is left out");
        return;
    };
    let expires = text(row, "expires_at");
    let expires_at = expires.as_deref().and_then(moment);
    let allows_all = flag(row, "allow_all").unwrap_or(false);
    let fields = json!({
        "name": draft.unique(Kind::Key, &name),
        "key_hash": KeyHash::of(&secret).to_hex(),
        "key_prefix": secret.chars().take(12).collect::<String>(),
        // One whose end is not understood must not become one without an end.
        "enabled": flag(row, "status").unwrap_or(true) && expires.is_some() == expires_at.is_some(),
        "expires_at": expires_at,
        "allowed_models": (!allows_all).then(|| names(row, "models")),
    });
    if expires.is_some() != expires_at.is_some() {
        draft.warn(&at, "its end is not understood, and it is disabled");
    }
    draft.add(Kind::Key, &at, fields);
}
