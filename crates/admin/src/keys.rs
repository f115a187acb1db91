//! Client keys: `/api/keys`.

use access::NewKey;
use axum::{Json, extract::State};
use chrono::{DateTime, Utc};
use entities::api_key;
use http::StatusCode;
use sea_orm::{
    ActiveModelTrait,
    ActiveValue::{NotSet, Set},
    ColumnTrait, ConnectionTrait, EntityTrait, IntoActiveModel, QueryFilter,
};
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use crate::{
    AdminState, change,
    error::Error,
    extract::{Id, JsonObject, Query, read},
    input,
    page::{self, Page, PageQuery},
};

/// Names of keys that come from the settings begin so; those keys have no restrictions.
pub(crate) const FROM_SETTINGS: &str = "env-";
const MOST_ALLOWED: usize = 1000;
const METADATA_BYTES: usize = 16 * 1024;

/// A key to create, or what a PATCH makes of one. Absent or null fields restrict nothing.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct KeyInput {
    /// Unique, 1 to 100 characters; stands for the key in logs and statistics.
    #[schema(required = true, nullable = false, example = "ci")]
    name: Option<String>,
    /// True by default.
    enabled: Option<bool>,
    /// When it stops being accepted; never by default.
    expires_at: Option<DateTime<Utc>>,
    /// Names of the models it may ask for; all by default, none if the list is empty.
    allowed_models: Option<Vec<String>>,
    /// Names of the providers that may serve it; all by default, none if the list is empty.
    allowed_providers: Option<Vec<String>>,
    /// Whatever you want to keep with it, an object of up to 16 KiB.
    #[schema(value_type = Option<Object>)]
    metadata: Option<Map<String, Value>>,
}

/// A client key. The key itself is known to its holder only.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct KeyBody {
    id: i64,
    name: String,
    /// The first characters of the key, to recognise it by.
    #[schema(example = "sk-lo-Ab3dEf")]
    key_prefix: String,
    enabled: bool,
    expires_at: Option<DateTime<Utc>>,
    allowed_models: Option<Value>,
    allowed_providers: Option<Value>,
    metadata: Option<Value>,
    last_used_at: Option<DateTime<Utc>>,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

/// A client key just made.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct NewKeyBody {
    #[serde(flatten)]
    rest: KeyBody,
    /// The key. It is shown this once and stored nowhere.
    key: String,
}

impl From<api_key::Model> for KeyBody {
    fn from(row: api_key::Model) -> Self {
        Self {
            id: row.id,
            name: row.name,
            key_prefix: row.key_prefix,
            enabled: row.enabled,
            expires_at: row.expires_at,
            allowed_models: row.allowed_models,
            allowed_providers: row.allowed_providers,
            metadata: row.metadata,
            last_used_at: row.last_used_at,
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}

/// A key whose values are all in range.
struct Checked {
    name: String,
    enabled: bool,
    expires_at: Option<DateTime<Utc>>,
    allowed_models: Option<Value>,
    allowed_providers: Option<Value>,
    metadata: Option<Value>,
}

impl Checked {
    fn of(fields: Map<String, Value>) -> Result<Self, Error> {
        let input: KeyInput = read(fields)?;
        let name = input::name("name", input.name)?;
        if name.starts_with(FROM_SETTINGS) {
            let reason =
                format!("must not begin with '{FROM_SETTINGS}', as keys from the settings do");
            return Err(Error::invalid("name", reason));
        }
        let metadata = input.metadata.map(|mut fields| {
            input::drop_nulls(&mut fields);
            Value::Object(fields)
        });
        if metadata
            .as_ref()
            .is_some_and(|value| value.to_string().len() > METADATA_BYTES)
        {
            let reason = format!("must not be larger than {METADATA_BYTES} bytes");
            return Err(Error::invalid("metadata", reason));
        }
        Ok(Self {
            name,
            enabled: input.enabled.unwrap_or(true),
            expires_at: input.expires_at,
            allowed_models: names("allowed_models", input.allowed_models)?,
            allowed_providers: names("allowed_providers", input.allowed_providers)?,
            metadata,
        })
    }
}

/// A list of names, each once, in the order given.
fn names(field: &'static str, given: Option<Vec<String>>) -> Result<Option<Value>, Error> {
    let Some(given) = given else { return Ok(None) };
    if given.len() > MOST_ALLOWED {
        let reason = format!("must not have more than {MOST_ALLOWED} entries");
        return Err(Error::invalid(field, reason));
    }
    let mut names = Vec::with_capacity(given.len());
    for one in given {
        let name = input::name(field, Some(one))?;
        if !names.contains(&name) {
            names.push(name);
        }
    }
    Ok(Some(names.into()))
}

async fn find(connection: &impl ConnectionTrait, id: i64) -> Result<api_key::Model, Error> {
    api_key::Entity::find_by_id(id)
        .one(connection)
        .await?
        .ok_or_else(|| Error::NotFound(format!("key {id}")))
}

/// The row of the key called `name`.
pub(crate) async fn by_name(
    connection: &impl ConnectionTrait,
    name: &str,
) -> Result<Option<api_key::Model>, Error> {
    Ok(api_key::Entity::find()
        .filter(api_key::Column::Name.eq(name))
        .one(connection)
        .await?)
}

async fn must_be_free(
    connection: &impl ConnectionTrait,
    name: &str,
    except: Option<i64>,
) -> Result<(), Error> {
    let taken = by_name(connection, name).await?;
    if taken.is_some_and(|row| Some(row.id) != except) {
        let message = format!("name: a key '{name}' exists already");
        return Err(Error::conflict("name", message));
    }
    Ok(())
}

/// All client keys, newest first. Those from the settings are not among them.
#[utoipa::path(get, path = "/keys", tag = "keys", params(PageQuery),
    responses((status = 200, body = Page<KeyBody>)))]
pub(crate) async fn list(
    State(state): State<AdminState>,
    Query(query): Query<PageQuery>,
) -> Result<Json<Page<KeyBody>>, Error> {
    let select = api_key::Entity::find();
    let rows = page::rows(&state.database, select, api_key::Column::Id, query, |row| {
        row.id
    })
    .await?;
    Ok(Json(rows.map(Into::into)))
}

/// Makes a client key.
#[utoipa::path(post, path = "/keys", tag = "keys", request_body = KeyInput,
    responses((status = 201, body = NewKeyBody)))]
pub(crate) async fn create(
    State(state): State<AdminState>,
    JsonObject(fields): JsonObject,
) -> Result<(StatusCode, Json<NewKeyBody>), Error> {
    let checked = Checked::of(fields)?;
    let new =
        NewKey::generate().map_err(|_| Error::Internal("the random number generator failed"))?;
    let change = state.change().await?;
    must_be_free(change.on(), &checked.name, None).await?;
    let now = change::now();
    let row = api_key::ActiveModel {
        id: NotSet,
        name: Set(checked.name),
        key_hash: Set(new.hash.to_hex()),
        key_prefix: Set(new.shown),
        enabled: Set(checked.enabled),
        expires_at: Set(checked.expires_at),
        allowed_models: Set(checked.allowed_models),
        allowed_providers: Set(checked.allowed_providers),
        limits: Set(None),
        metadata: Set(checked.metadata),
        last_used_at: Set(None),
        created_at: Set(now),
        updated_at: Set(now),
    };
    let row = row.insert(change.on()).await?;
    change.commit().await?;
    let body = NewKeyBody {
        rest: row.into(),
        key: new.secret.expose_secret().to_owned(),
    };
    Ok((StatusCode::CREATED, Json(body)))
}

/// One client key.
#[utoipa::path(get, path = "/keys/{id}", tag = "keys", params(("id" = i64, Path)),
    responses((status = 200, body = KeyBody)))]
pub(crate) async fn get(
    State(state): State<AdminState>,
    Id(id): Id,
) -> Result<Json<KeyBody>, Error> {
    Ok(Json(find(&state.database, id).await?.into()))
}

/// Changes a client key, as to disable it.
///
/// A merge patch: what is absent stays, null takes the default.
#[utoipa::path(patch, path = "/keys/{id}", tag = "keys", params(("id" = i64, Path)),
    request_body(content = KeyInput, content_type = "application/merge-patch+json"),
    responses((status = 200, body = KeyBody)))]
pub(crate) async fn patch(
    State(state): State<AdminState>,
    Id(id): Id,
    JsonObject(patch): JsonObject,
) -> Result<Json<KeyBody>, Error> {
    let change = state.change().await?;
    let row = find(change.on(), id).await?;
    let mut fields = input::fields(json!({
        "name": row.name, "enabled": row.enabled, "expires_at": row.expires_at,
        "allowed_models": row.allowed_models, "allowed_providers": row.allowed_providers,
        "metadata": row.metadata,
    }));
    input::merge(&mut fields, patch);
    let checked = Checked::of(fields)?;
    must_be_free(change.on(), &checked.name, Some(id)).await?;
    let mut changed = row.into_active_model();
    changed.name = Set(checked.name);
    changed.enabled = Set(checked.enabled);
    changed.expires_at = Set(checked.expires_at);
    changed.allowed_models = Set(checked.allowed_models);
    changed.allowed_providers = Set(checked.allowed_providers);
    changed.metadata = Set(checked.metadata);
    changed.updated_at = Set(change::now());
    let row = changed.update(change.on()).await?;
    change.commit().await?;
    Ok(Json(row.into()))
}

/// Deletes a client key. What it used stays in the logs, under its name.
#[utoipa::path(delete, path = "/keys/{id}", tag = "keys", params(("id" = i64, Path)),
    responses((status = 204)))]
pub(crate) async fn delete(
    State(state): State<AdminState>,
    Id(id): Id,
) -> Result<StatusCode, Error> {
    let change = state.change().await?;
    find(change.on(), id).await?;
    api_key::Entity::delete_by_id(id).exec(change.on()).await?;
    change.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}
