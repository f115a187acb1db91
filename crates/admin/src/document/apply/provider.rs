//! Providers of a document, and their secrets.

use std::collections::BTreeMap;

use catalog::{ProviderError, SecretError, Secrets};
use entities::{ProviderConfig, provider};
use sea_orm::{
    ActiveModelTrait,
    ActiveValue::{NotSet, Set},
};
use secrecy::ExposeSecret;
use serde_json::{Map, Value};

use super::{
    Run, fields,
    rows::{self, SECRETS},
};
use crate::{
    document::{Entry, Kind, Place, report::FieldChange},
    error::Error,
    extract::read,
    input,
    provider_config::{self, Before, ConfigBody, STARS, Secret},
    providers::{self, ProviderInput},
};

impl Run<'_> {
    pub(super) async fn provider(&mut self, entry: &Entry) -> Result<(), Error> {
        let name = fields::name(&entry.fields, "name")?;
        self.once(Kind::Provider, "name", &name)?;
        let old = self.rows.providers.iter().find(|row| row.name == name);
        let old = old.cloned();
        let old_config = old.as_ref().and_then(|row| providers::config_of(row).ok());
        let secrets = self.state.catalog.secrets();
        let shown_before = old_config.as_ref().map(|config| shown(config, secrets));
        let mut given = entry.fields.clone();
        providers::lower_header_names(&mut given)?;
        self.fill(&entry.place, &mut given, shown_before.as_ref())?;
        let references = Secret::given_in(given.get("config"));
        let given_headers = Before::headers_given_in(given.get("config"));
        let base = old.as_ref().map(|row| {
            let config = shown_before.clone().unwrap_or_default();
            rows::provider(row, config)
        });
        let input: ProviderInput = read(self.complete(base, given))?;
        let kind = providers::kind_of(input.kind)?;
        let before = old_config.clone().map(|config| Before {
            kind: old
                .as_ref()
                .and_then(|row| row.kind.parse().ok())
                .unwrap_or(kind),
            config,
            given: references,
            given_headers,
        });
        let config = input.config.unwrap_or_default();
        let mut config = config.resolve(kind, before.as_ref(), self.state)?;
        if let Some(old) = &old_config {
            keep_same(&mut config, old, secrets);
        }
        let id = old.as_ref().map_or(0, |row| row.id);
        match provider_config::callable(id, &name, kind, &config, self.state) {
            Ok(()) => {}
            Err(error) if is_missing_here(&error) => {
                let warning = entry.place.fault(error.field(), error.to_string());
                self.report.warnings.push(warning);
            }
            Err(error) => return Err(provider_config::refusal(error)),
        }
        let row = provider::Model {
            id,
            name: name.clone(),
            kind: kind.name().to_owned(),
            config: providers::stored(&config)?,
            enabled: input.enabled.unwrap_or(true),
            created_at: old.as_ref().map_or(self.now, |row| row.created_at),
            updated_at: self.now,
        };
        let stored = |row: &provider::Model| rows::provider(row, input::fields(row.config.clone()));
        let before = old.as_ref().map(stored);
        let mut changes = self.differences(before.as_ref(), &stored(&row));
        mask_all(
            &mut changes,
            shown_before.unwrap_or_default(),
            shown(&config, secrets),
        );
        let is_new = old.is_none();
        if self.tell(Kind::Provider, &name, old.map(|row| row.id), changes)? {
            let mut values: provider::ActiveModel = row.into();
            values = values.reset_all();
            if is_new {
                values.id = NotSet;
                let row = values.insert(self.on).await?;
                self.named.insert((Kind::Provider, row.id));
                self.providers.insert(name, row.id);
            } else {
                values.id = Set(id);
                values.update(self.on).await?;
            }
        }
        Ok(())
    }

    /// Puts masks of the secrets there are where a document leaves them out, so that they are kept, and tells of those
    /// that there are none of.
    fn fill(
        &mut self,
        place: &Place,
        given: &mut Map<String, Value>,
        shown: Option<&Map<String, Value>>,
    ) -> Result<(), Error> {
        let config = given
            .entry("config")
            .or_insert_with(|| Value::Object(Map::new()));
        let Value::Object(config) = config else {
            return Ok(());
        };
        for name in SECRETS {
            let is_left_out = is_mask(config.get(name));
            let old = shown
                .and_then(|shown| shown.get(name))
                .filter(|old| !old.is_null());
            if let Some(old) = old
                && (is_left_out || !config.contains_key(name))
            {
                config.insert(name.to_owned(), old.clone());
            } else if is_left_out {
                config.remove(name);
                let field = format!("config.{name}");
                let reason = "is left out of the document, and there is none to keep";
                self.report.warnings.push(place.fault(&field, reason));
            }
        }
        let of_models = config.get_mut("models").and_then(Value::as_object_mut);
        for model in of_models.into_iter().flat_map(Map::values_mut) {
            if let Value::Object(model) = model {
                fields::parse_object(model, "extra_body")?;
            }
        }
        let mut missing = Vec::new();
        let old = |name: &str| shown.and_then(|shown| shown.get(name));
        if let Some(Value::Object(headers)) = config.get_mut("headers") {
            keep_headers(headers, old("headers"), "config", &mut missing);
        }
        let of_models = config.get_mut("models").and_then(Value::as_object_mut);
        for (model, settings) in of_models.into_iter().flatten() {
            if let Some(Value::Object(headers)) = settings.get_mut("headers") {
                let old = old("models").and_then(|models| models.get(model)?.get("headers"));
                let place = format!("config.models.{model}");
                keep_headers(headers, old, &place, &mut missing);
            }
        }
        for field in missing {
            let reason = "is left out of the document, and there is none to keep";
            self.report.warnings.push(place.fault(&field, reason));
        }
        Ok(())
    }
}

/// Lets masked headers keep the values that `old` has masks of; of others it tells.
fn keep_headers(
    headers: &mut Map<String, Value>,
    old: Option<&Value>,
    place: &str,
    missing: &mut Vec<String>,
) {
    headers.retain(|name, value| {
        if !is_mask(Some(value)) {
            return true;
        }
        let Some(mask) = old.and_then(|old| old.get(name)) else {
            missing.push(format!("{place}.headers.{name}"));
            return false;
        };
        *value = mask.clone();
        true
    });
}

fn is_mask(value: Option<&Value>) -> bool {
    value
        .and_then(Value::as_str)
        .is_some_and(|text| text.starts_with(STARS))
}

fn shown(config: &ProviderConfig, secrets: &Secrets) -> Map<String, Value> {
    let shown = serde_json::to_value(ConfigBody::of(config, secrets));
    input::fields(shown.unwrap_or_default())
}

/// Whether a provider cannot be called from here, but perhaps from where gateways run.
fn is_missing_here(error: &ProviderError) -> bool {
    matches!(
        error,
        ProviderError::Key(source) | ProviderError::Secret { source, .. }
            if matches!(source, SecretError::MissingVariable(_) | SecretError::MissingFile { .. })
    )
}

/// Each sealing gives another text; a secret that is the same keeps the one it has.
fn keep_same(config: &mut ProviderConfig, old: &ProviderConfig, secrets: &Secrets) {
    let pairs = [
        (&mut config.api_key, &old.api_key),
        (&mut config.secret_access_key, &old.secret_access_key),
        (&mut config.session_token, &old.session_token),
        (&mut config.service_account, &old.service_account),
    ];
    for (new, old) in pairs {
        let (Some(given), Some(kept)) = (new.as_ref(), old) else {
            continue;
        };
        if given == kept || rows::is_reference(given) || rows::is_reference(kept) {
            continue;
        }
        let (Ok(one), Ok(other)) = (secrets.open(given), secrets.open(kept)) else {
            continue;
        };
        if one.expose_secret() == other.expose_secret() {
            *new = Some(kept.clone());
        }
    }
    keep_same_headers(&mut config.headers, &old.headers, secrets);
    for (model, settings) in &mut config.models {
        if let Some(old) = old.models.get(model) {
            keep_same_headers(&mut settings.headers, &old.headers, secrets);
        }
    }
}

/// The same for what headers are set to.
fn keep_same_headers(
    headers: &mut BTreeMap<String, String>,
    old: &BTreeMap<String, String>,
    secrets: &Secrets,
) {
    for (name, given) in headers {
        let Some(kept) = old.get(name).filter(|kept| *kept != given) else {
            continue;
        };
        if rows::is_reference(given) || rows::is_reference(kept) {
            continue;
        }
        if let (Ok(one), Ok(other)) = (secrets.open_header(given), secrets.open_header(kept))
            && one.expose_secret() == other.expose_secret()
        {
            given.clone_from(kept);
        }
    }
}

/// Shows masks instead of what is stored, and says where two of them are the same for another secret.
fn mask_all(changes: &mut [FieldChange], before: Map<String, Value>, after: Map<String, Value>) {
    for change in changes {
        let Some(field) = change.field.strip_prefix("config.") else {
            continue;
        };
        if !SECRETS.contains(&field) && !is_header(field) {
            continue;
        }
        let was_there = !change.before.is_null();
        change.before = masked(was_there, &before, field);
        let is_there = !change.after.is_null();
        change.after = masked(is_there, &after, field);
        if was_there && change.before == change.after {
            let mask = change.after.as_str().unwrap_or(STARS);
            change.after = format!("{mask} (another one)").into();
        }
    }
}

fn is_header(field: &str) -> bool {
    field.starts_with("headers.") || (field.starts_with("models.") && field.contains(".headers."))
}

fn masked(is_there: bool, shown: &Map<String, Value>, field: &str) -> Value {
    if !is_there {
        return Value::Null;
    }
    // Names of models may have dots, so that a header is not looked for by its path.
    shown.get(field).cloned().unwrap_or_else(|| STARS.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_secret_of_a_configuration_is_masked() {
        let config = input::fields(serde_json::json!({"api_key": "a", "headers": {"x": "b"},
            "models": {"m.1": {"headers": {"y": "c"}, "sampling": true}}}));
        let mut changes = fields::changes(
            &Map::new(),
            &input::fields(serde_json::json!({"config": config})),
        );
        mask_all(&mut changes, Map::new(), Map::new());
        let told: Vec<_> = changes
            .iter()
            .map(|change| (change.field.as_str(), change.after.clone()))
            .collect();
        assert_eq!(
            told,
            [
                ("config.api_key", STARS.into()),
                ("config.headers.x", STARS.into()),
                ("config.models.m.1.headers.y", STARS.into()),
                ("config.models.m.1.sampling", true.into()),
            ]
        );
    }
}
