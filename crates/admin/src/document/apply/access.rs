//! Prices and client keys of a document.

use access::KeyHash;
use chrono::SubsecRound;
use entities::{api_key, price};
use sea_orm::{
    ActiveModelTrait,
    ActiveValue::{NotSet, Set},
    TryIntoModel,
};
use serde_json::{Map, Value};

use super::{Run, fields, price_name, rows};
use crate::{document::Kind, error::Error, keys::Checked, prices};

/// Digits of seconds that every database keeps.
const DIGITS: u16 = 6;
const PREFIX_CHARS: usize = 16;

impl Run<'_> {
    pub(super) async fn price(&mut self, given: &Map<String, Value>) -> Result<(), Error> {
        let provider = fields::optional(given, "provider")?;
        let provider_id = match &provider {
            Some(name) => Some(self.provider_id(name)?),
            None => None,
        };
        let pattern = fields::name(given, "model_pattern")?;
        let name = price_name(provider.as_deref(), &pattern);
        self.once(Kind::Price, "model_pattern", &name)?;
        let old = self
            .rows
            .prices
            .iter()
            .find(|row| row.provider_id == provider_id && row.model_pattern == pattern);
        let old = old.cloned();
        let before = old
            .as_ref()
            .map(|row| rows::price(row, provider.as_deref()));
        let mut fields = self.complete(before.clone(), given.clone());
        fields.remove("provider");
        fields.insert("provider_id".to_owned(), provider_id.into());
        let id = old.as_ref().map(|row| row.id);
        let mut values = prices::checked(self.on, fields, id).await?;
        values.id = Set(id.unwrap_or_default());
        let row: price::Model = values.clone().try_into_model()?;
        let changes = self.differences(before.as_ref(), &rows::price(&row, provider.as_deref()));
        if self.tell(Kind::Price, &name, id, changes)? {
            if let Some(old) = old {
                values.created_at = Set(old.created_at);
                values.update(self.on).await?;
            } else {
                values.id = NotSet;
                let id = values.insert(self.on).await?.id;
                self.named.insert((Kind::Price, id));
            }
        }
        Ok(())
    }

    pub(super) async fn key(&mut self, given: &Map<String, Value>) -> Result<(), Error> {
        let name = fields::name(given, "name")?;
        self.once(Kind::Key, "name", &name)?;
        let old = self.rows.keys.iter().find(|row| row.name == name).cloned();
        let before = old.as_ref().map(rows::key);
        let mut fields = self.complete(before.clone(), given.clone());
        fields::parse_object(&mut fields, "metadata")?;
        let hash = key_hash(&fields)?;
        let prefix = fields::optional(&fields, "key_prefix")?.unwrap_or_default();
        if prefix.chars().count() > PREFIX_CHARS {
            let reason = format!("must have at most {PREFIX_CHARS} characters");
            return Err(Error::invalid("key_prefix", reason));
        }
        let mut others = self.rows.keys.iter();
        if others.any(|row| row.key_hash == hash && row.name != name) {
            return Err(Error::invalid("key_hash", "is that of another key"));
        }
        self.once(Kind::Key, "key_hash", &format!("hash {hash}"))?;
        fields.remove("key_hash");
        fields.remove("key_prefix");
        fields::parse_object(&mut fields, "guards")?;
        let networks = self.state.catalog.clients().policy();
        let checked = Checked::of(fields, networks)?;
        // What a document says of the key is all that is accepted from then on.
        let rotated = old.as_ref().filter(|row| row.key_hash == hash);
        let row = api_key::Model {
            id: old.as_ref().map_or(0, |row| row.id),
            name: checked.name,
            key_hash: hash,
            key_prefix: prefix,
            enabled: checked.enabled,
            expires_at: checked.expires_at.map(|time| time.trunc_subsecs(DIGITS)),
            allowed_models: checked.allowed_models,
            allowed_providers: checked.allowed_providers,
            limits: checked.limits,
            budgets: checked.budgets,
            guards: checked.guards,
            record_bodies: checked.record_bodies,
            metadata: checked.metadata,
            previous_hash: rotated.and_then(|row| row.previous_hash.clone()),
            previous_expires_at: rotated.and_then(|row| row.previous_expires_at),
            created_at: old.as_ref().map_or(self.now, |row| row.created_at),
            updated_at: self.now,
        };
        let changes = self.differences(before.as_ref(), &rows::key(&row));
        let id = row.id;
        if self.tell(Kind::Key, &name, old.map(|row| row.id), changes)? {
            let mut values = api_key::ActiveModel::from(row).reset_all();
            if id == 0 {
                values.id = NotSet;
                let id = values.insert(self.on).await?.id;
                self.named.insert((Kind::Key, id));
            } else {
                values.id = Set(id);
                values.update(self.on).await?;
            }
        }
        Ok(())
    }
}

fn key_hash(fields: &Map<String, Value>) -> Result<String, Error> {
    let hash = fields::optional(fields, "key_hash")?;
    let hash = hash.ok_or_else(|| Error::invalid("key_hash", "is missing"))?;
    let read = KeyHash::from_hex(&hash.to_ascii_lowercase());
    read.map(KeyHash::to_hex).ok_or_else(|| {
        let reason = "must be the BLAKE3 hash of the key, as 64 hexadecimal digits";
        Error::invalid("key_hash", reason)
    })
}
