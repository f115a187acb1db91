//! Client keys: `/api/keys`.

use access::NewKey;
use axum::{Json, extract::State};
use chrono::{DateTime, Utc};
use entities::api_key;
use guards::GuardsFields;
use http::StatusCode;
use sea_orm::{
    ActiveModelTrait,
    ActiveValue::{NotSet, Set},
    ColumnTrait, ConnectionTrait, EntityTrait, IntoActiveModel, QueryFilter,
};
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use upstream::NetworkPolicy;
use utoipa::ToSchema;

use crate::{
    AdminState,
    audit::Entry,
    auth::Caller,
    change::{self, Change},
    declared::{self, Marks},
    document::Kind,
    error::Error,
    extract::{Id, JsonObject, Query, read},
    guarding, input,
    limits::LimitsInput,
    page::{self, Page, PageQuery},
    spending::{self, BudgetsInput, Figures, KeyUsage, Spending},
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
    /// Names of the models it may ask for, or patterns such as `gpt-*`; all by default, none if the list is empty.
    allowed_models: Option<Vec<String>>,
    /// Names of the providers that may serve it; all by default, none if the list is empty.
    allowed_providers: Option<Vec<String>>,
    /// How much it may ask for in how much time; as much as it wants by default.
    limits: Option<LimitsInput>,
    /// How much it may spend; as much as it wants by default.
    budgets: Option<BudgetsInput>,
    /// What its requests and their answers may say, beside what holds for all and for the model; anything by default.
    #[schema(value_type = Option<Object>)]
    guards: Option<GuardsFields>,
    /// Whether what it sends and gets is recorded; false by default.
    record_bodies: Option<bool>,
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
    /// As they can be set; null limits nothing.
    #[schema(value_type = Option<Object>)]
    limits: Option<Value>,
    /// As it can be set; null limits nothing.
    #[schema(value_type = Option<Object>)]
    budgets: Option<Value>,
    /// As they can be set; null guards nothing.
    #[schema(value_type = Option<Object>)]
    guards: Option<Value>,
    record_bodies: bool,
    metadata: Option<Value>,
    /// After a rotation, until when the key before it is accepted.
    previous_expires_at: Option<DateTime<Utc>>,
    /// When the last request arrived that was sent to a provider.
    last_used_at: Option<DateTime<Utc>>,
    usage: KeyUsage,
    spending: Spending,
    /// The file that declares it, which alone can change it; null where none does.
    declared_by: Option<String>,
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

impl KeyBody {
    fn of(row: api_key::Model, figures: Figures, marks: &Marks) -> Self {
        let now = Utc::now();
        Self {
            id: row.id,
            name: row.name,
            key_prefix: row.key_prefix,
            enabled: row.enabled,
            expires_at: row.expires_at,
            allowed_models: row.allowed_models,
            allowed_providers: row.allowed_providers,
            limits: row.limits,
            budgets: row.budgets,
            guards: row.guards,
            record_bodies: row.record_bodies,
            metadata: row.metadata,
            previous_expires_at: row.previous_expires_at.filter(|end| *end > now),
            last_used_at: figures.last_used_at,
            usage: figures.usage,
            spending: figures.spending,
            declared_by: marks.shown(Kind::Key, row.id),
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}

/// What the audit log keeps of a key: all that can be set, and what it is recognised by.
pub(crate) fn audited(row: &api_key::Model) -> Value {
    json!({
        "name": row.name, "key_prefix": row.key_prefix, "enabled": row.enabled, "expires_at": row.expires_at,
        "allowed_models": row.allowed_models, "allowed_providers": row.allowed_providers,
        "limits": row.limits, "budgets": row.budgets, "guards": row.guards,
        "record_bodies": row.record_bodies, "metadata": row.metadata,
        "previous_expires_at": row.previous_expires_at,
    })
}

/// The keys, with what they used.
async fn bodies(
    connection: &impl ConnectionTrait,
    rows: Vec<api_key::Model>,
) -> Result<Vec<KeyBody>, Error> {
    let figures = spending::of(connection, &rows).await?;
    let marks = Marks::of(connection, Kind::Key, rows.iter().map(|row| row.id)).await?;
    let pairs = rows.into_iter().zip(figures);
    Ok(pairs
        .map(|(row, figures)| KeyBody::of(row, figures, &marks))
        .collect())
}

async fn body(state: &AdminState, row: api_key::Model) -> Result<KeyBody, Error> {
    let bodies = bodies(&state.database, vec![row]).await?;
    let one = bodies.into_iter().next();
    one.ok_or(Error::Internal("a key has no figures"))
}

/// The answer that tells a key, this once.
pub(crate) async fn new_body(
    state: &AdminState,
    row: api_key::Model,
    key: String,
) -> Result<NewKeyBody, Error> {
    let rest = body(state, row).await?;
    Ok(NewKeyBody { rest, key })
}

/// A key whose values are all in range.
pub(crate) struct Checked {
    pub(crate) name: String,
    pub(crate) enabled: bool,
    pub(crate) expires_at: Option<DateTime<Utc>>,
    pub(crate) allowed_models: Option<Value>,
    pub(crate) allowed_providers: Option<Value>,
    pub(crate) limits: Option<Value>,
    pub(crate) budgets: Option<Value>,
    pub(crate) guards: Option<Value>,
    pub(crate) record_bodies: bool,
    pub(crate) metadata: Option<Value>,
}

impl Checked {
    pub(crate) fn of(fields: Map<String, Value>, networks: NetworkPolicy) -> Result<Self, Error> {
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
            limits: match input.limits {
                Some(limits) => limits.stored()?,
                None => None,
            },
            budgets: match input.budgets {
                Some(budgets) => budgets.stored()?,
                None => None,
            },
            guards: guarding::stored(input.guards, networks)?,
            record_bodies: input.record_bodies.unwrap_or(false),
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

pub(crate) async fn find(
    connection: &impl ConnectionTrait,
    id: i64,
) -> Result<api_key::Model, Error> {
    api_key::Entity::find_by_id(id)
        .one(connection)
        .await?
        .ok_or_else(|| Error::NotFound(format!("key {id}")))
}

/// The row of a key that is to be changed.
///
/// # Errors
/// It is not there, or a file declares it.
pub(crate) async fn find_free(
    connection: &impl ConnectionTrait,
    id: i64,
) -> Result<api_key::Model, Error> {
    let row = find(connection, id).await?;
    declared::must_be_free(connection, Kind::Key, id, &row.name).await?;
    Ok(row)
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
    Ok(Json(Page {
        data: bodies(&state.database, rows.data).await?,
        next: rows.next,
    }))
}

/// Makes a client key.
#[utoipa::path(post, path = "/keys", tag = "keys", request_body = KeyInput,
    responses((status = 201, body = NewKeyBody)))]
pub(crate) async fn create(
    State(state): State<AdminState>,
    caller: Caller,
    JsonObject(fields): JsonObject,
) -> Result<(StatusCode, Json<NewKeyBody>), Error> {
    let checked = Checked::of(fields, state.catalog.clients().policy())?;
    let new =
        NewKey::generate().map_err(|_| Error::Internal("the random number generator failed"))?;
    let change = state.change(&caller).await?;
    guarding::must_be_allowed(&caller, None, checked.guards.as_ref())?;
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
        limits: Set(checked.limits),
        budgets: Set(checked.budgets),
        guards: Set(checked.guards),
        record_bodies: Set(checked.record_bodies),
        metadata: Set(checked.metadata),
        previous_hash: Set(None),
        previous_expires_at: Set(None),
        created_at: Set(now),
        updated_at: Set(now),
    };
    let row = row.insert(change.on()).await?;
    let entry = Entry::of("key", row.id, &row.name).created(&audited(&row));
    change.commit(entry).await?;
    let key = new.secret.expose_secret().to_owned();
    Ok((StatusCode::CREATED, Json(new_body(&state, row, key).await?)))
}

/// One client key.
#[utoipa::path(get, path = "/keys/{id}", tag = "keys", params(("id" = i64, Path)),
    responses((status = 200, body = KeyBody)))]
pub(crate) async fn get(
    State(state): State<AdminState>,
    Id(id): Id,
) -> Result<Json<KeyBody>, Error> {
    let row = find(&state.database, id).await?;
    Ok(Json(body(&state, row).await?))
}

/// Changes a client key, as to disable it.
///
/// A merge patch: what is absent stays, null takes the default.
#[utoipa::path(patch, path = "/keys/{id}", tag = "keys", params(("id" = i64, Path)),
    request_body(content = KeyInput, content_type = "application/merge-patch+json"),
    responses((status = 200, body = KeyBody)))]
pub(crate) async fn patch(
    State(state): State<AdminState>,
    caller: Caller,
    Id(id): Id,
    JsonObject(patch): JsonObject,
) -> Result<Json<KeyBody>, Error> {
    let change = state.change(&caller).await?;
    let (row, entry) = change_one(&change, id, patch).await?;
    change.commit(entry).await?;
    Ok(Json(body(&state, row).await?))
}

/// Applies a merge patch to a client key.
pub(crate) async fn change_one(
    change: &Change<'_>,
    id: i64,
    patch: Map<String, Value>,
) -> Result<(api_key::Model, Entry), Error> {
    let row = find_free(change.on(), id).await?;
    let before = audited(&row);
    let mut fields = input::fields(json!({
        "name": row.name, "enabled": row.enabled, "expires_at": row.expires_at,
        "allowed_models": row.allowed_models, "allowed_providers": row.allowed_providers,
        "limits": row.limits, "budgets": row.budgets, "guards": row.guards,
        "record_bodies": row.record_bodies, "metadata": row.metadata,
    }));
    input::merge(&mut fields, patch);
    let checked = Checked::of(fields, change.state().catalog.clients().policy())?;
    if checked.budgets.is_some() && checked.name != row.name {
        let reason = "stays while the key has budgets, since what was spent is counted by it";
        return Err(Error::invalid("name", reason));
    }
    guarding::must_be_allowed(
        change.caller(),
        row.guards.as_ref(),
        checked.guards.as_ref(),
    )?;
    must_be_free(change.on(), &checked.name, Some(id)).await?;
    let mut changed = row.into_active_model();
    changed.name = Set(checked.name);
    changed.enabled = Set(checked.enabled);
    changed.expires_at = Set(checked.expires_at);
    changed.allowed_models = Set(checked.allowed_models);
    changed.allowed_providers = Set(checked.allowed_providers);
    changed.limits = Set(checked.limits);
    changed.budgets = Set(checked.budgets);
    changed.guards = Set(checked.guards);
    changed.record_bodies = Set(checked.record_bodies);
    changed.metadata = Set(checked.metadata);
    changed.updated_at = Set(change::now());
    let row = changed.update(change.on()).await?;
    let entry = Entry::of("key", id, &row.name).changed(&before, &audited(&row));
    Ok((row, entry))
}

/// Deletes a client key. What it used stays in the logs, under its name.
#[utoipa::path(delete, path = "/keys/{id}", tag = "keys", params(("id" = i64, Path)),
    responses((status = 204)))]
pub(crate) async fn delete(
    State(state): State<AdminState>,
    caller: Caller,
    Id(id): Id,
) -> Result<StatusCode, Error> {
    let change = state.change(&caller).await?;
    let entry = delete_one(&change, id).await?;
    change.commit(entry).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Deletes a client key.
pub(crate) async fn delete_one(change: &Change<'_>, id: i64) -> Result<Entry, Error> {
    let row = find_free(change.on(), id).await?;
    api_key::Entity::delete_by_id(id).exec(change.on()).await?;
    Ok(Entry::of("key", id, &row.name).deleted(&audited(&row)))
}
