//! Providers: `/api/providers`.

use std::collections::HashMap;

use axum::{Json, extract::State};
use catalog::{ProviderError, ProviderKind};
use chrono::{DateTime, Utc};
use entities::{ProviderConfig, model_provider, provider};
use health::{Moment, State as HealthState};
use http::StatusCode;
use router::ProviderId;
use sea_orm::{
    ActiveModelTrait,
    ActiveValue::{NotSet, Set},
    ColumnTrait, ConnectionTrait, EntityTrait, IntoActiveModel, PaginatorTrait, QueryFilter,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use utoipa::{IntoParams, ToSchema};

use crate::{
    AdminState,
    audit::Entry,
    auth::{Caller, Role},
    change::{self, Change},
    declared::{self, Marks},
    document::Kind,
    error::Error,
    extract::{Id, JsonObject, Query, flag, read},
    input,
    page::{self, Page, PageQuery},
    provider_config::{self, Before, ConfigBody, ConfigInput, Secret},
};

/// A provider to create, or what a PATCH makes of one.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ProviderInput {
    /// Unique, 1 to 100 characters.
    #[schema(required = true, nullable = false, example = "openai")]
    pub(crate) name: Option<String>,
    /// The protocol it speaks: `openai`, which is any server compatible with OpenAI's API, `anthropic`,
    /// `gemini`, `azure`, `bedrock` or `vertex`.
    #[serde(rename = "type")]
    #[schema(required = true, nullable = false, example = "openai")]
    pub(crate) kind: Option<String>,
    pub(crate) config: Option<ConfigInput>,
    /// True by default.
    pub(crate) enabled: Option<bool>,
}

/// A provider.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ProviderBody {
    id: i64,
    name: String,
    #[serde(rename = "type")]
    kind: String,
    config: ConfigBody,
    enabled: bool,
    /// Why it cannot be called, as with a key whose environment variable is not set here; null if it can.
    problem: Option<String>,
    /// `healthy`, `degraded` or `unhealthy`; null before it is known.
    health: Option<&'static str>,
    /// The file that declares it, which alone can change it; null where none does.
    declared_by: Option<String>,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

/// What the audit log keeps of a provider: its row, as it is shown.
#[derive(Debug, Serialize)]
struct Audited {
    name: String,
    #[serde(rename = "type")]
    kind: String,
    config: ConfigBody,
    enabled: bool,
}

impl Audited {
    fn of(row: &provider::Model, state: &AdminState) -> Self {
        let config = config_of(row).unwrap_or_default();
        Self {
            name: row.name.clone(),
            kind: row.kind.clone(),
            config: ConfigBody::of(&config, state.catalog.secrets()),
            enabled: row.enabled,
        }
    }
}

/// What is known of providers besides their rows.
struct Surroundings<'a> {
    state: &'a AdminState,
    health: HashMap<i64, HealthState>,
    marks: Marks,
}

impl<'a> Surroundings<'a> {
    async fn of(state: &'a AdminState, ids: impl IntoIterator<Item = i64>) -> Result<Self, Error> {
        let marks = Marks::of(&state.database, Kind::Provider, ids).await?;
        let reports = state.health.report(Moment::now()).into_iter();
        Ok(Self {
            state,
            health: reports
                .map(|report| (report.provider_id, report.state))
                .collect(),
            marks,
        })
    }

    fn show(&self, row: provider::Model) -> ProviderBody {
        let catalog = &self.state.catalog;
        let config = config_of(&row).unwrap_or_default();
        ProviderBody {
            config: ConfigBody::of(&config, catalog.secrets()),
            problem: catalog
                .current()
                .problem(ProviderId(row.id))
                .map(str::to_owned),
            health: self.health.get(&row.id).map(|state| state.as_str()),
            declared_by: self.marks.shown(Kind::Provider, row.id),
            id: row.id,
            name: row.name,
            kind: row.kind,
            enabled: row.enabled,
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}

pub(crate) fn config_of(row: &provider::Model) -> Result<ProviderConfig, serde_json::Error> {
    serde_json::from_value(row.config.clone())
}

pub(crate) fn kind_of(given: Option<String>) -> Result<ProviderKind, Error> {
    given
        .ok_or_else(|| Error::invalid("type", "is missing"))?
        .parse()
        .map_err(|error: ProviderError| Error::invalid("type", error.to_string()))
}

pub(crate) fn stored(config: &ProviderConfig) -> Result<Value, Error> {
    serde_json::to_value(config).map_err(|_| Error::Internal("a configuration is no JSON"))
}

/// The row of a provider.
pub(crate) async fn find(
    connection: &impl ConnectionTrait,
    id: i64,
) -> Result<provider::Model, Error> {
    provider::Entity::find_by_id(id)
        .one(connection)
        .await?
        .ok_or_else(|| Error::NotFound(format!("provider {id}")))
}

/// Why a provider that is configured cannot be called; `None` if this process knows nothing against it.
pub(crate) fn unusable(state: &AdminState, row: &provider::Model) -> Option<Error> {
    let snapshot = state.catalog.current();
    let problem = snapshot.problem(ProviderId(row.id))?;
    Some(Error::Conflict {
        field: None,
        message: format!("the provider cannot be called: {problem}"),
    })
}

async fn must_be_free(
    connection: &impl ConnectionTrait,
    name: &str,
    except: Option<i64>,
) -> Result<(), Error> {
    let taken = provider::Entity::find()
        .filter(provider::Column::Name.eq(name))
        .one(connection)
        .await?;
    if taken.is_some_and(|row| Some(row.id) != except) {
        let message = format!("name: a provider '{name}' exists already");
        return Err(Error::conflict("name", message));
    }
    Ok(())
}

/// Where providers are and what they get to know is an admin's to say.
fn must_be_allowed(
    caller: &Caller,
    old: &ProviderConfig,
    new: &ProviderConfig,
) -> Result<(), Error> {
    match provider_config::sensitive_change(old, new) {
        Some(_) => caller.must_be(Role::Admin),
        None => Ok(()),
    }
}

/// Header names are the same in any case; in lower case they also merge as such.
pub(crate) fn lower_header_names(fields: &mut Map<String, Value>) -> Result<(), Error> {
    let Some(Value::Object(config)) = fields.get_mut("config") else {
        return Ok(());
    };
    lower_headers_of(config, "config")?;
    let Some(Value::Object(models)) = config.get_mut("models") else {
        return Ok(());
    };
    for (name, model) in models {
        if let Value::Object(model) = model {
            lower_headers_of(model, &format!("config.models.{name}"))?;
        }
    }
    Ok(())
}

fn lower_headers_of(settings: &mut Map<String, Value>, place: &str) -> Result<(), Error> {
    let Some(Value::Object(headers)) = settings.get_mut("headers") else {
        return Ok(());
    };
    let mut lowered = Map::new();
    for (name, value) in std::mem::take(headers) {
        let name = name.to_ascii_lowercase();
        if lowered.insert(name.clone(), value).is_some() {
            let field = format!("{place}.headers.{name}");
            return Err(Error::invalid(field, "is given twice"));
        }
    }
    *headers = lowered;
    Ok(())
}

/// All providers, newest first.
#[utoipa::path(get, path = "/providers", tag = "providers", params(PageQuery),
    responses((status = 200, body = Page<ProviderBody>)))]
pub(crate) async fn list(
    State(state): State<AdminState>,
    Query(query): Query<PageQuery>,
) -> Result<Json<Page<ProviderBody>>, Error> {
    let select = provider::Entity::find();
    let rows = page::rows(
        &state.database,
        select,
        provider::Column::Id,
        query,
        |row| row.id,
    )
    .await?;
    let ids = rows.data.iter().map(|row| row.id);
    let surroundings = Surroundings::of(&state, ids).await?;
    Ok(Json(rows.map(|row| surroundings.show(row))))
}

/// Creates a provider.
#[utoipa::path(post, path = "/providers", tag = "providers", request_body = ProviderInput,
    responses((status = 201, body = ProviderBody)))]
pub(crate) async fn create(
    State(state): State<AdminState>,
    caller: Caller,
    JsonObject(mut fields): JsonObject,
) -> Result<(StatusCode, Json<ProviderBody>), Error> {
    lower_header_names(&mut fields)?;
    let input: ProviderInput = read(fields)?;
    let name = input::name("name", input.name)?;
    let kind = kind_of(input.kind)?;
    let config = input
        .config
        .unwrap_or_default()
        .resolve(kind, None, &state)?;
    must_be_allowed(&caller, &ProviderConfig::default(), &config)?;
    provider_config::check(0, &name, kind, &config, &state)?;
    let change = state.change(&caller).await?;
    must_be_free(change.on(), &name, None).await?;
    let now = change::now();
    let row = provider::ActiveModel {
        id: NotSet,
        name: Set(name),
        kind: Set(kind.name().to_owned()),
        config: Set(stored(&config)?),
        enabled: Set(input.enabled.unwrap_or(true)),
        created_at: Set(now),
        updated_at: Set(now),
    };
    let row = row.insert(change.on()).await?;
    let entry = Entry::of("provider", row.id, &row.name).created(&Audited::of(&row, &state));
    change.commit(entry).await?;
    let body = Surroundings::of(&state, [row.id]).await?.show(row);
    Ok((StatusCode::CREATED, Json(body)))
}

/// One provider.
#[utoipa::path(get, path = "/providers/{id}", tag = "providers", params(("id" = i64, Path)),
    responses((status = 200, body = ProviderBody)))]
pub(crate) async fn get(
    State(state): State<AdminState>,
    Id(id): Id,
) -> Result<Json<ProviderBody>, Error> {
    let row = find(&state.database, id).await?;
    Ok(Json(Surroundings::of(&state, [id]).await?.show(row)))
}

/// Changes a provider.
///
/// A merge patch: what is absent stays, null takes the default. `config.api_key` and header values that are absent or
/// equal to their masks stay as they are; a `config.base_url` of another origin needs them anew.
#[utoipa::path(patch, path = "/providers/{id}", tag = "providers", params(("id" = i64, Path)),
    request_body(content = ProviderInput, content_type = "application/merge-patch+json"),
    responses((status = 200, body = ProviderBody)))]
pub(crate) async fn patch(
    State(state): State<AdminState>,
    caller: Caller,
    Id(id): Id,
    JsonObject(patch): JsonObject,
) -> Result<Json<ProviderBody>, Error> {
    let change = state.change(&caller).await?;
    let (row, entry) = change_one(&change, id, patch).await?;
    change.commit(entry).await?;
    Ok(Json(Surroundings::of(&state, [id]).await?.show(row)))
}

/// Applies a merge patch to a provider.
pub(crate) async fn change_one(
    change: &Change<'_>,
    id: i64,
    mut patch: Map<String, Value>,
) -> Result<(provider::Model, Entry), Error> {
    lower_header_names(&mut patch)?;
    let state = change.state();
    let row = find(change.on(), id).await?;
    declared::must_be_free(change.on(), Kind::Provider, id, &row.name).await?;
    let is_reached_otherwise = patch.contains_key("config") || patch.contains_key("type");
    let given = Secret::given_in(patch.get("config"));
    let given_headers = Before::headers_given_in(patch.get("config"));
    let old = match config_of(&row) {
        Err(error) if is_reached_otherwise => {
            let reason = format!(
                "what is stored cannot be read ({error}); delete the provider and create it anew"
            );
            return Err(Error::invalid("config", reason));
        }
        old => old.unwrap_or_default(),
    };
    let before = Audited::of(&row, state);
    let shown = ConfigBody::of(&old, state.catalog.secrets());
    let mut fields = input::fields(json!({
        "name": row.name, "type": row.kind, "config": shown, "enabled": row.enabled,
    }));
    input::merge(&mut fields, patch);
    let input: ProviderInput = read(fields)?;
    let name = input::name("name", input.name)?;
    let enabled = input.enabled.unwrap_or(true);
    must_be_free(change.on(), &name, Some(id)).await?;
    let was_enabled = row.enabled;
    let old_kind = row.kind.parse();
    let mut changed = row.into_active_model();
    if is_reached_otherwise || (enabled && !was_enabled) {
        let kind = kind_of(input.kind)?;
        let before = Before {
            kind: old_kind.unwrap_or(kind),
            config: old,
            given,
            given_headers,
        };
        let config = input
            .config
            .unwrap_or_default()
            .resolve(kind, Some(&before), state)?;
        if kind != before.kind {
            change.caller().must_be(Role::Admin)?; // each type has an address of its own
        }
        must_be_allowed(change.caller(), &before.config, &config)?;
        provider_config::check(id, &name, kind, &config, state)?;
        changed.kind = Set(kind.name().to_owned());
        changed.config = Set(stored(&config)?);
    }
    changed.name = Set(name);
    changed.enabled = Set(enabled);
    changed.updated_at = Set(change::now());
    let row = changed.update(change.on()).await?;
    let after = Audited::of(&row, state);
    let entry = Entry::of("provider", id, &row.name).changed(&before, &after);
    Ok((row, entry))
}

/// How a provider is deleted.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct DeleteQuery {
    /// Delete its associations too; without it a provider that has some stays.
    #[serde(default, deserialize_with = "flag")]
    force: bool,
}

/// Deletes a provider.
#[utoipa::path(delete, path = "/providers/{id}", tag = "providers", params(("id" = i64, Path), DeleteQuery),
    responses((status = 204)))]
pub(crate) async fn delete(
    State(state): State<AdminState>,
    caller: Caller,
    Id(id): Id,
    Query(query): Query<DeleteQuery>,
) -> Result<StatusCode, Error> {
    let change = state.change(&caller).await?;
    let entry = delete_one(&change, id, query.force).await?;
    change.commit(entry).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Deletes a provider; one that has associations only by `force`, and they with it.
pub(crate) async fn delete_one(change: &Change<'_>, id: i64, force: bool) -> Result<Entry, Error> {
    let row = find(change.on(), id).await?;
    declared::must_be_free(change.on(), Kind::Provider, id, &row.name).await?;
    declared::nothing_may_hang_on(change.on(), Kind::Provider, id, &row.name).await?;
    let associations = model_provider::Entity::find()
        .filter(model_provider::Column::ProviderId.eq(id))
        .count(change.on())
        .await?;
    if associations > 0 && !force {
        let message = format!(
            "provider {id} serves models through {associations} associations; add ?force=true to delete them too"
        );
        return Err(Error::Conflict {
            field: None,
            message,
        });
    }
    provider::Entity::delete_by_id(id).exec(change.on()).await?;
    Ok(Entry::of("provider", id, &row.name).deleted(&Audited::of(&row, change.state())))
}
