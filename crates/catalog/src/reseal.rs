//! Bringing stored secrets into the form they would be stored in today.

use entities::provider;
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, DatabaseConnection, EntityTrait, IntoActiveModel,
    JsonValue, TransactionTrait,
};

use crate::{Error, SecretError, Secrets, version};

/// Members of a provider's configuration that are secrets.
const FIELDS: [&str; 4] = [
    "api_key",
    "secret_access_key",
    "session_token",
    "service_account",
];

/// Seals every provider's secrets under the secret key in force, in one transaction: those of the previous key and those
/// stored plain. Says how many providers have changed.
///
/// # Errors
/// The database's; or a secret cannot be opened, and then nothing is changed.
pub async fn reseal(database: &DatabaseConnection, secrets: &Secrets) -> Result<usize, Error> {
    renew(database, secrets, |stored| !secrets.is_current(stored)).await
}

/// Seals those that are stored plain.
pub(crate) async fn seal_plain(
    database: &DatabaseConnection,
    secrets: &Secrets,
) -> Result<(), Error> {
    let sealed = renew(database, secrets, |stored| secrets.is_plain(stored)).await?;
    if sealed > 0 {
        tracing::info!(
            providers = sealed,
            "secrets of providers that were stored plain are sealed now"
        );
    }
    Ok(())
}

async fn renew(
    database: &DatabaseConnection,
    secrets: &Secrets,
    is_old: impl Fn(&str) -> bool,
) -> Result<usize, Error> {
    let renewed = |row: &provider::Model| {
        renewed(&row.config, secrets, &is_old).map_err(|source| Error::SealedKey {
            provider: row.name.clone(),
            source,
        })
    };
    let mut any = false;
    for row in provider::Entity::find().all(database).await? {
        any |= renewed(&row)?.is_some();
    }
    if !any {
        return Ok(0);
    }
    let transaction = database.begin().await?;
    // Writing first makes others that start at the same moment wait here, and then find nothing left to seal. A transaction
    // that reads first is refused by SQLite when it comes to write what another has changed since.
    version::bump(&transaction).await?;
    let mut count = 0;
    for row in provider::Entity::find().all(&transaction).await? {
        if let Some(config) = renewed(&row)? {
            let mut changed = row.into_active_model();
            changed.config = Set(config);
            changed.update(&transaction).await?;
            count += 1;
        }
    }
    if count == 0 {
        transaction.rollback().await?;
    } else {
        transaction.commit().await?;
    }
    Ok(count)
}

/// The configuration with its old secrets sealed anew; `None` if none is old.
fn renewed(
    config: &JsonValue,
    secrets: &Secrets,
    is_old: impl Fn(&str) -> bool,
) -> Result<Option<JsonValue>, SecretError> {
    let mut config = config.clone();
    let mut any = false;
    for stored in secrets_in(&mut config) {
        if let JsonValue::String(text) = stored
            && is_old(text)
        {
            *text = secrets.renew(text)?;
            any = true;
        }
    }
    Ok(any.then_some(config))
}

/// Every value of a configuration that is a secret: keys, and what headers are set to, also for single models.
fn secrets_in(config: &mut JsonValue) -> Vec<&mut JsonValue> {
    let Some(config) = config.as_object_mut() else {
        return Vec::new();
    };
    let mut found = Vec::new();
    for (name, value) in config {
        match (name.as_str(), value) {
            (name, value) if FIELDS.contains(&name) => found.push(value),
            ("headers", JsonValue::Object(headers)) => found.extend(headers.values_mut()),
            ("models", JsonValue::Object(models)) => {
                let headers = models
                    .values_mut()
                    .filter_map(|model| model.get_mut("headers")?.as_object_mut());
                found.extend(headers.flat_map(|headers| headers.values_mut()));
            }
            _ => {}
        }
    }
    found
}
