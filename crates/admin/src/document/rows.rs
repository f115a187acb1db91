//! What is in the database, and how it stands in a document.

use std::collections::HashMap;

use catalog::{Secrets, price_of_row};
use entities::{ProviderConfig, api_key, model, model_provider, price, provider, routing_policy};
use sea_orm::{ConnectionTrait, EntityTrait, QueryOrder};
use secrecy::ExposeSecret;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::{Document, Entry, Kind, Place, sealing::Sealer};
use crate::{error::Error, input, provider_config::STARS};

/// The fields of a provider's configuration that are secrets.
pub(super) const SECRETS: [&str; 4] = [
    "api_key",
    "secret_access_key",
    "session_token",
    "service_account",
];

/// What becomes of secrets in an export. References stay as they are in any case.
#[derive(Debug)]
pub(crate) enum SecretsIn {
    /// They are left out; stars stand in their places.
    Nothing,
    /// They are sealed.
    Sealed(Sealer),
}

/// All rows that a configuration is made of, each kind in the order of ids.
#[derive(Debug)]
pub(crate) struct Rows {
    pub(crate) providers: Vec<provider::Model>,
    pub(crate) models: Vec<model::Model>,
    pub(crate) associations: Vec<model_provider::Model>,
    pub(crate) policies: Vec<routing_policy::Model>,
    pub(crate) prices: Vec<price::Model>,
    pub(crate) keys: Vec<api_key::Model>,
}

impl Rows {
    pub(crate) async fn read(on: &impl ConnectionTrait) -> Result<Self, Error> {
        Ok(Self {
            providers: provider::Entity::find()
                .order_by_asc(provider::Column::Id)
                .all(on)
                .await?,
            models: model::Entity::find()
                .order_by_asc(model::Column::Id)
                .all(on)
                .await?,
            associations: model_provider::Entity::find()
                .order_by_asc(model_provider::Column::Id)
                .all(on)
                .await?,
            policies: routing_policy::Entity::find()
                .order_by_asc(routing_policy::Column::Id)
                .all(on)
                .await?,
            prices: price::Entity::find()
                .order_by_asc(price::Column::Id)
                .all(on)
                .await?,
            keys: api_key::Entity::find()
                .order_by_asc(api_key::Column::Id)
                .all(on)
                .await?,
        })
    }

    /// The document of these rows.
    ///
    /// # Errors
    /// A provider's configuration cannot be read, or one of its secrets cannot be opened to be sealed.
    pub(crate) fn document(
        &self,
        secrets: &Secrets,
        secrets_in: &SecretsIn,
    ) -> Result<Document, Error> {
        let models: HashMap<i64, &str> =
            self.models.iter().map(|row| (row.id, &*row.name)).collect();
        let providers: HashMap<i64, &str> = self
            .providers
            .iter()
            .map(|row| (row.id, &*row.name))
            .collect();
        let mut document = Document::default();
        let mut add = |kind: Kind, all: Vec<Map<String, Value>>| {
            let section = kind.section();
            let entry = |(index, fields)| Entry {
                place: Place::Item { section, index },
                fields,
            };
            document.insert(kind, all.into_iter().enumerate().map(entry).collect());
        };
        let exported = |row| exported_provider(row, secrets, secrets_in);
        let all: Result<_, _> = self.providers.iter().map(exported).collect();
        add(Kind::Provider, all?);
        add(Kind::Model, self.models.iter().map(model).collect());
        let all = self.associations.iter().filter_map(|row| {
            let model = models.get(&row.model_id)?;
            Some(association(row, model, providers.get(&row.provider_id)?))
        });
        add(Kind::Association, all.collect());
        let all = self
            .policies
            .iter()
            .filter_map(|row| Some(policy(row, models.get(&row.model_id)?)));
        add(Kind::Policy, all.collect());
        let all = self.prices.iter().map(|row| {
            let provider = row.provider_id.and_then(|id| providers.get(&id));
            price(row, provider.copied())
        });
        add(Kind::Price, all.collect());
        add(Kind::Key, self.keys.iter().map(key).collect());
        Ok(document)
    }
}

fn config(row: &provider::Model) -> Result<ProviderConfig, Error> {
    serde_json::from_value(row.config.clone()).map_err(|error| Error::Conflict {
        field: None,
        message: format!(
            "the configuration of provider '{}' cannot be read ({error}); delete it and create it anew",
            row.name
        ),
    })
}

fn exported_provider(
    row: &provider::Model,
    secrets: &Secrets,
    secrets_in: &SecretsIn,
) -> Result<Map<String, Value>, Error> {
    let mut config = input::fields(serialized(&config(row)?));
    for name in SECRETS {
        let Some(Value::String(stored)) = config.get(name) else {
            continue;
        };
        if is_reference(stored) {
            continue;
        }
        let text = match secrets_in {
            SecretsIn::Nothing => STARS.to_owned(),
            SecretsIn::Sealed(sealer) => {
                let opened = secrets.open(stored).map_err(|error| Error::Conflict {
                    field: None,
                    message: format!("config.{name} of provider '{}': {error}", row.name),
                })?;
                sealer.seal(opened.expose_secret())?
            }
        };
        config.insert(name.to_owned(), text.into());
    }
    for headers in headers_in(&mut config) {
        for value in headers.values_mut() {
            let Value::String(text) = value else { continue };
            if is_reference(text) {
                continue;
            }
            *text = match secrets_in {
                SecretsIn::Nothing => STARS.to_owned(),
                SecretsIn::Sealed(sealer) => {
                    let opened = secrets.open_header(text).map_err(|error| Error::Conflict {
                        field: None,
                        message: format!("config.headers of provider '{}': {error}", row.name),
                    })?;
                    sealer.seal(opened.expose_secret())?
                }
            };
        }
    }
    Ok(provider(row, config))
}

/// The headers of a provider and of its models.
fn headers_in(config: &mut Map<String, Value>) -> impl Iterator<Item = &mut Map<String, Value>> {
    let mut all = Vec::new();
    for (name, value) in config {
        match (name.as_str(), value) {
            ("headers", Value::Object(headers)) => all.push(headers),
            ("models", Value::Object(models)) => {
                let of_models = models
                    .values_mut()
                    .filter_map(|model| model.get_mut("headers")?.as_object_mut());
                all.extend(of_models);
            }
            _ => {}
        }
    }
    all.into_iter()
}

pub(crate) fn is_reference(text: &str) -> bool {
    text.starts_with("env:") || text.starts_with("file:")
}

fn serialized(value: &impl Serialize) -> Value {
    serde_json::to_value(value).unwrap_or_default()
}

fn said(fields: Value) -> Map<String, Value> {
    let mut fields = input::fields(fields);
    fields.retain(|_, value| !value.is_null());
    fields
}

pub(super) fn provider(row: &provider::Model, config: Map<String, Value>) -> Map<String, Value> {
    said(json!({"name": row.name, "type": row.kind, "config": config, "enabled": row.enabled}))
}

pub(super) fn model(row: &model::Model) -> Map<String, Value> {
    said(json!({
        "name": row.name, "remark": row.remark, "max_retry": row.max_retry.unwrap_or(3),
        "timeout": row.timeout.unwrap_or(30), "enabled": row.enabled.unwrap_or(true),
    }))
}

pub(super) fn association(
    row: &model_provider::Model,
    model: &str,
    provider: &str,
) -> Map<String, Value> {
    said(json!({
        "model": model, "provider": provider, "provider_model": row.provider_model,
        "weight": row.weight.unwrap_or(1), "tool_call": row.tool_call.unwrap_or(true),
        "structured_output": row.structured_output.unwrap_or(true),
        "image": row.image.unwrap_or(false), "enabled": row.enabled.unwrap_or(true),
    }))
}

/// What is off is left out, as what takes its default.
pub(super) fn policy(row: &routing_policy::Model, model: &str) -> Map<String, Value> {
    let mut fields = said(serialized(row));
    for name in ["id", "model_id", "created_at", "updated_at"] {
        fields.remove(name);
    }
    fields.retain(|_, value| *value != Value::Bool(false));
    fields.insert("model".to_owned(), model.into());
    fields
}

pub(super) fn price(row: &price::Model, provider: Option<&str>) -> Map<String, Value> {
    let mut fields = said(json!({
        "provider": provider, "model_pattern": row.model_pattern, "source": row.source,
        "source_date": row.source_date,
    }));
    for (name, amount) in price_of_row(row).amounts() {
        if let Some(amount) = amount {
            fields.insert(name.to_owned(), access::money::usd(amount).into());
        }
    }
    fields
}

pub(super) fn key(row: &api_key::Model) -> Map<String, Value> {
    let budgets = row.budgets.clone().map(|budgets| {
        let mut budgets = input::fields(budgets);
        input::drop_nulls(&mut budgets);
        budgets
    });
    said(json!({
        "name": row.name, "key_hash": row.key_hash, "key_prefix": row.key_prefix,
        "enabled": row.enabled, "expires_at": row.expires_at, "allowed_models": row.allowed_models,
        "allowed_providers": row.allowed_providers, "limits": row.limits, "budgets": budgets,
        "guards": row.guards, "record_bodies": row.record_bodies.then_some(true),
        "metadata": row.metadata,
    }))
}
