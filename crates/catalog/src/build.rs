//! Rows in, snapshot out.

use std::{
    collections::{HashMap, HashSet},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use access::{
    ClientKey, KeyHash, Keyring, Names,
    budget::{Budget, BudgetFields},
    limit::{Limits, LimitsFields},
};
use entities::{ProviderConfig, api_key, model, model_provider, price, provider, routing_policy};
use router::{
    AssociationSpec, CandidateId, Capabilities, ModelId, ModelSpec, ProviderId, ProviderSpec,
    RouteTable,
};
use sea_orm::{
    AccessMode, DatabaseConnection, DbBackend, DbErr, EntityTrait, IsolationLevel, TransactionTrait,
};
use serde::{Deserialize, Serialize};
use upstream::{Clients, NetworkPolicy};

use crate::{
    Model, Policy, Provider, ProviderError, Secrets, Snapshot, guarding,
    outside::OutsideFiles,
    prices,
    snapshot::{Table, revision},
    version,
};

/// Why the configuration cannot be loaded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The database's.
    #[error("cannot read the configuration")]
    Database(#[from] DbErr),
    /// Rows that contradict each other.
    #[error("the configuration contradicts itself: {0}")]
    Routes(#[from] router::Error),
    /// A provider key that only the right secret key opens.
    #[error("the key of provider '{provider}' cannot be opened")]
    SealedKey {
        /// The provider's name.
        provider: String,
        /// Why not.
        #[source]
        source: crate::SecretError,
    },
    /// The configuration kept on disk.
    #[error("cannot use the configuration kept in {}", .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: crate::FileError,
    },
}

/// All rows of the configuration, of one moment.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Rows {
    version: i64,
    models: Vec<model::Model>,
    providers: Vec<provider::Model>,
    associations: Vec<model_provider::Model>,
    policies: Vec<routing_policy::Model>,
    keys: Vec<api_key::Model>,
    prices: Vec<price::Model>,
}

impl Rows {
    /// Reads them in one transaction, so that they belong together.
    pub(crate) async fn read(database: &DatabaseConnection) -> Result<Self, DbErr> {
        // A SQLite transaction is always a snapshot, and its driver knows no isolation levels.
        let (level, mode) = match database.get_database_backend() {
            DbBackend::Sqlite => (None, None),
            _ => (
                Some(IsolationLevel::RepeatableRead),
                Some(AccessMode::ReadOnly),
            ),
        };
        let transaction = database.begin_with_config(level, mode).await?;
        let rows = Self {
            version: version::current(&transaction).await?,
            models: model::Entity::find().all(&transaction).await?,
            providers: provider::Entity::find().all(&transaction).await?,
            associations: model_provider::Entity::find().all(&transaction).await?,
            policies: routing_policy::Entity::find().all(&transaction).await?,
            keys: api_key::Entity::find().all(&transaction).await?,
            prices: price::Entity::find().all(&transaction).await?,
        };
        transaction.commit().await?;
        Ok(rows)
    }

    /// Builds the snapshot. A provider that cannot be used is left out, logged and remembered with its problem; only what
    /// needs the operator's secret key fails the whole.
    pub(crate) fn into_snapshot(
        self,
        secrets: &Secrets,
        clients: &Clients,
        fixed_keys: &[(KeyHash, ClientKey)],
    ) -> Result<Snapshot, Error> {
        let policies: HashMap<i64, routing_policy::Model> = self
            .policies
            .into_iter()
            .map(|row| (row.model_id, row))
            .collect();
        let models: Vec<(Model, u32)> = self
            .models
            .into_iter()
            .map(|row| model_of(row, &policies, secrets, clients.policy()))
            .collect();
        let mut providers = Table::default();
        let mut problems = HashMap::new();
        let mut revisions = HashMap::new();
        let mut provider_specs = Vec::new();
        let mut files = OutsideFiles::default();
        for row in self.providers {
            let named = OutsideFiles::named_in(&row.config);
            revisions.insert(ProviderId(row.id), provider_revision(&row, &named));
            files.extend(named);
            let (spec, made) = provider_of(row, secrets, clients)?;
            match made {
                Ok(provider) => {
                    providers.insert(spec.id, Arc::new(provider));
                }
                Err(problem) => {
                    problems.insert(spec.id, problem);
                }
            }
            provider_specs.push(spec);
        }
        let model_specs = models.iter().map(|(model, max_retry)| ModelSpec {
            id: model.id,
            name: model.name.clone(),
            enabled: model.enabled,
            max_retry: *max_retry,
            strategy: model.policy.strategy,
        });
        let associations = self.associations.into_iter().map(association_of);
        let routes = RouteTable::build(model_specs, provider_specs, associations)?;
        let keys = self
            .keys
            .into_iter()
            .flat_map(|row| keys_of(row, secrets, clients.policy()))
            .chain(fixed_keys.iter().cloned());
        Ok(Snapshot {
            version: self.version,
            prices: prices::of_candidates(self.prices, &routes, &providers),
            routes,
            keys: Keyring::new(keys),
            models: models
                .into_iter()
                .map(|(model, _)| (model.name.clone(), model))
                .collect(),
            providers,
            problems,
            revisions,
            files,
        })
    }
}

fn model_of(
    row: model::Model,
    policies: &HashMap<i64, routing_policy::Model>,
    secrets: &Secrets,
    networks: NetworkPolicy,
) -> (Model, u32) {
    let timeout = Duration::from_secs(
        row.timeout
            .and_then(|seconds| u64::try_from(seconds).ok())
            .unwrap_or(30)
            .max(1),
    );
    let policy = policies.get(&row.id).map_or_else(
        || Policy::defaults(timeout),
        |policy| {
            Policy::of_row(policy, timeout).unwrap_or_else(|error| {
                tracing::error!(model.name = row.name, %error, "a routing policy cannot be obeyed; the defaults apply");
                Policy::defaults(timeout)
            })
        },
    );
    let column = policies.get(&row.id).and_then(|row| row.guards.as_ref());
    let guards = guarding::of_column(column, secrets, networks);
    if let Err(error) = &guards {
        tracing::error!(model.name = row.name, %error, "a model's guards cannot be obeyed; it is not served");
    }
    let model = Model {
        id: ModelId(row.id),
        name: row.name.into(),
        enabled: row.enabled.unwrap_or(true) && guards.is_ok(),
        created: row.created_at.map_or(0, |at| at.timestamp()),
        policy,
        guards: guards.unwrap_or_default(),
    };
    (
        model,
        row.max_retry
            .and_then(|count| u32::try_from(count).ok())
            .unwrap_or(3),
    )
}

/// A number that changes when the provider could answer differently: its type, address, credentials or the way to it. A
/// change of priority or weight leaves what is known of its health.
fn provider_revision(row: &provider::Model, files: &OutsideFiles) -> u64 {
    let field = |name: &str| {
        row.config
            .get(name)
            .map(ToString::to_string)
            .unwrap_or_default()
    };
    let fields = [
        "base_url",
        "api_key",
        "headers",
        "proxy",
        "ca_file",
        "api",
        "models",
        "api_version",
        "region",
        "access_key_id",
        "secret_access_key",
        "session_token",
        "project",
        "location",
        "service_account",
    ]
    .map(field);
    let contents = files.fingerprint();
    let parts: Vec<&[u8]> = [row.kind.as_bytes(), contents.as_bytes()]
        .into_iter()
        .chain(fields.iter().map(String::as_bytes))
        .collect();
    revision(&parts)
}

type Made = (ProviderSpec, Result<Provider, String>);

fn provider_of(row: provider::Model, secrets: &Secrets, clients: &Clients) -> Result<Made, Error> {
    let id = ProviderId(row.id);
    let name: Arc<str> = row.name.into();
    let parsed = row.kind.parse().and_then(|kind| {
        let config: ProviderConfig = serde_json::from_value(row.config)?;
        let provider = Provider::new(id, name.clone(), kind, &config, secrets, clients)?;
        Ok((provider, config))
    });
    match parsed {
        Ok((provider, config)) => {
            let spec = ProviderSpec {
                id,
                name,
                enabled: row.enabled,
                priority: config.priority,
                weight: config.weight,
                endpoints: provider.kind.endpoints(),
            };
            Ok((spec, Ok(provider)))
        }
        Err(ProviderError::Key(source) | ProviderError::Secret { source, .. })
            if source.is_about_the_secret_key() =>
        {
            Err(Error::SealedKey {
                provider: name.to_string(),
                source,
            })
        }
        Err(error) => {
            if row.enabled {
                tracing::error!(provider.id = id.0, provider.name = &*name, %error, "a provider cannot be used");
            }
            let spec = ProviderSpec {
                id,
                name,
                enabled: false,
                priority: 0,
                weight: 0,
                endpoints: router::EndpointSet::NONE,
            };
            Ok((spec, Err(error.to_string())))
        }
    }
}

fn association_of(row: model_provider::Model) -> AssociationSpec {
    AssociationSpec {
        id: CandidateId(row.id),
        model: ModelId(row.model_id),
        provider: ProviderId(row.provider_id),
        provider_model: row.provider_model.into(),
        weight: row
            .weight
            .map_or(1, |weight| u32::try_from(weight).unwrap_or(0)),
        capabilities: Capabilities::new(
            row.tool_call.unwrap_or(true),
            row.structured_output.unwrap_or(true),
            row.image.unwrap_or(false),
        ),
        enabled: row.enabled.unwrap_or(true),
    }
}

/// A key by its hash, and for a while after a rotation by its previous one too. One whose row is damaged is left out: better
/// one caller turned away than one let in for too much.
fn keys_of(
    row: api_key::Model,
    secrets: &Secrets,
    networks: NetworkPolicy,
) -> Vec<(KeyHash, ClientKey)> {
    let key = client_key(&row, secrets, networks);
    let (Some(hash), Ok(key)) = (KeyHash::from_hex(&row.key_hash), key) else {
        tracing::error!(
            key.id = row.id,
            key.name = row.name,
            "a client key's row is damaged; it is not accepted"
        );
        return Vec::new();
    };
    let previous = row.previous_hash.as_deref().and_then(KeyHash::from_hex);
    let previous = previous.zip(row.previous_expires_at).map(|(hash, end)| {
        let mut key = key.clone();
        key.expires_at = Some(key.expires_at.map_or(end, |own| own.min(end)));
        (hash, key)
    });
    previous.into_iter().chain([(hash, key)]).collect()
}

fn client_key(
    row: &api_key::Model,
    secrets: &Secrets,
    networks: NetworkPolicy,
) -> Result<ClientKey, serde_json::Error> {
    type Listed = Result<Option<HashSet<String>>, serde_json::Error>;
    let names = |list: &Option<sea_orm::JsonValue>| -> Listed {
        list.as_ref().map(HashSet::deserialize).transpose()
    };
    let budget = match &row.budgets {
        None => None,
        Some(fields) => {
            Budget::of(&BudgetFields::deserialize(fields)?).map_err(serde::de::Error::custom)?
        }
    };
    let limits = match &row.limits {
        None => None,
        Some(fields) => {
            Limits::of(&LimitsFields::deserialize(fields)?).map_err(serde::de::Error::custom)?
        }
    };
    Ok(ClientKey {
        id: Some(row.id),
        name: row.name.as_str().into(),
        enabled: row.enabled,
        expires_at: row.expires_at,
        allowed_models: names(&row.allowed_models)?.map(Names::new),
        allowed_providers: names(&row.allowed_providers)?,
        budget,
        limits,
        guards: guarding::of_column(row.guards.as_ref(), secrets, networks)
            .map_err(serde::de::Error::custom)?,
        record_bodies: row.record_bodies,
    })
}
