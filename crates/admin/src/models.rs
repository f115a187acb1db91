//! Models: `/api/models`.

use std::collections::HashMap;

use axum::{Json, extract::State};
use chrono::{DateTime, Utc};
use entities::{model, model_provider};
use http::StatusCode;
use sea_orm::{
    ActiveModelTrait,
    ActiveValue::{NotSet, Set},
    ColumnTrait, ConnectionTrait, EntityTrait, IntoActiveModel, QueryFilter, QuerySelect,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
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
    input,
    page::{self, Page, PageQuery},
};

const MOST_RETRIES: i32 = 20;
/// A day, in seconds.
const LONGEST_TIMEOUT: i32 = 86_400;
const REMARK_CHARS: usize = 255;

/// A model to create, or what a PATCH makes of one. Absent or null fields have their defaults.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ModelInput {
    /// What clients ask for: unique, 1 to 100 characters.
    #[schema(required = true, nullable = false, example = "gpt-5")]
    name: Option<String>,
    /// Up to 255 characters.
    remark: Option<String>,
    /// How many attempts may follow the first, 0 to 20; 3 by default.
    max_retry: Option<i32>,
    /// Seconds to the first content of a stream, 1 to 86400; 30 by default. A whole answer may take ten times that.
    timeout: Option<i32>,
    /// True by default.
    enabled: Option<bool>,
}

/// A model.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ModelBody {
    id: i64,
    name: String,
    remark: Option<String>,
    max_retry: i32,
    /// Seconds.
    timeout: i32,
    enabled: bool,
    /// How many associations with providers it has, disabled ones too.
    associations: i64,
    /// The file that declares it, which alone can change it; null where none does.
    declared_by: Option<String>,
    created_at: Option<DateTime<Utc>>,
    updated_at: Option<DateTime<Utc>>,
}

impl ModelBody {
    fn of(row: model::Model, associations: i64, declared_by: Option<String>) -> Self {
        Self {
            id: row.id,
            name: row.name,
            remark: row.remark,
            max_retry: row.max_retry.unwrap_or(3),
            timeout: row.timeout.unwrap_or(30),
            enabled: row.enabled.unwrap_or(true),
            associations,
            declared_by,
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}

/// A model whose values are all in range.
pub(crate) struct Checked {
    pub(crate) name: String,
    pub(crate) remark: Option<String>,
    pub(crate) max_retry: i32,
    pub(crate) timeout: i32,
    pub(crate) enabled: bool,
}

impl Checked {
    pub(crate) fn of(fields: Map<String, Value>) -> Result<Self, Error> {
        let input: ModelInput = read(fields)?;
        if input
            .remark
            .as_ref()
            .is_some_and(|remark| remark.chars().count() > REMARK_CHARS)
        {
            let reason = format!("must have at most {REMARK_CHARS} characters");
            return Err(Error::invalid("remark", reason));
        }
        Ok(Self {
            name: input::name("name", input.name)?,
            remark: input.remark,
            max_retry: input::number("max_retry", input.max_retry, (0, MOST_RETRIES), 3)?,
            timeout: input::number("timeout", input.timeout, (1, LONGEST_TIMEOUT), 30)?,
            enabled: input.enabled.unwrap_or(true),
        })
    }
}

/// A row of a model of that name, with defaults for the rest.
pub(crate) fn new_row(name: String) -> model::ActiveModel {
    let now = change::now();
    model::ActiveModel {
        id: NotSet,
        name: Set(name),
        remark: Set(None),
        max_retry: Set(Some(3)),
        timeout: Set(Some(30)),
        enabled: Set(Some(true)),
        created_at: Set(Some(now)),
        updated_at: Set(Some(now)),
    }
}

/// The row of a model.
pub(crate) async fn find(
    connection: &impl ConnectionTrait,
    id: i64,
) -> Result<model::Model, Error> {
    model::Entity::find_by_id(id)
        .one(connection)
        .await?
        .ok_or_else(|| Error::NotFound(format!("model {id}")))
}

/// How many associations each of these models has; models without any are not in it.
async fn counts(
    connection: &impl ConnectionTrait,
    ids: impl IntoIterator<Item = i64>,
) -> Result<HashMap<i64, i64>, Error> {
    let counted: Vec<(i64, i64)> = model_provider::Entity::find()
        .select_only()
        .column(model_provider::Column::ModelId)
        .column_as(model_provider::Column::Id.count(), "associations")
        .filter(model_provider::Column::ModelId.is_in(ids))
        .group_by(model_provider::Column::ModelId)
        .into_tuple()
        .all(connection)
        .await?;
    Ok(counted.into_iter().collect())
}

async fn must_be_free(
    connection: &impl ConnectionTrait,
    name: &str,
    except: Option<i64>,
) -> Result<(), Error> {
    let taken = model::Entity::find()
        .filter(model::Column::Name.eq(name))
        .one(connection)
        .await?;
    if taken.is_some_and(|row| Some(row.id) != except) {
        let message = format!("name: a model '{name}' exists already");
        return Err(Error::conflict("name", message));
    }
    Ok(())
}

/// All models, newest first.
#[utoipa::path(get, path = "/models", tag = "models", params(PageQuery),
    responses((status = 200, body = Page<ModelBody>)))]
pub(crate) async fn list(
    State(state): State<AdminState>,
    Query(query): Query<PageQuery>,
) -> Result<Json<Page<ModelBody>>, Error> {
    let select = model::Entity::find();
    let rows = page::rows(&state.database, select, model::Column::Id, query, |row| {
        row.id
    })
    .await?;
    let ids = || rows.data.iter().map(|row| row.id);
    let counts = counts(&state.database, ids()).await?;
    let marks = Marks::of(&state.database, Kind::Model, ids()).await?;
    Ok(Json(rows.map(|row| {
        let associations = counts.get(&row.id).copied().unwrap_or(0);
        let declared_by = marks.shown(Kind::Model, row.id);
        ModelBody::of(row, associations, declared_by)
    })))
}

/// Creates a model.
#[utoipa::path(post, path = "/models", tag = "models", request_body = ModelInput,
    responses((status = 201, body = ModelBody)))]
pub(crate) async fn create(
    State(state): State<AdminState>,
    caller: Caller,
    JsonObject(fields): JsonObject,
) -> Result<(StatusCode, Json<ModelBody>), Error> {
    let checked = Checked::of(fields)?;
    let change = state.change(&caller).await?;
    must_be_free(change.on(), &checked.name, None).await?;
    let row = model::ActiveModel {
        remark: Set(checked.remark),
        max_retry: Set(Some(checked.max_retry)),
        timeout: Set(Some(checked.timeout)),
        enabled: Set(Some(checked.enabled)),
        ..new_row(checked.name)
    };
    let body = ModelBody::of(row.insert(change.on()).await?, 0, None);
    let entry = Entry::of("model", body.id, &body.name).created(&body);
    change.commit(entry).await?;
    Ok((StatusCode::CREATED, Json(body)))
}

/// One model.
#[utoipa::path(get, path = "/models/{id}", tag = "models", params(("id" = i64, Path)),
    responses((status = 200, body = ModelBody)))]
pub(crate) async fn get(
    State(state): State<AdminState>,
    Id(id): Id,
) -> Result<Json<ModelBody>, Error> {
    let row = find(&state.database, id).await?;
    let counts = counts(&state.database, [id]).await?;
    let declared_by = declared::owner(&state.database, Kind::Model, id).await?;
    Ok(Json(ModelBody::of(
        row,
        counts.get(&id).copied().unwrap_or(0),
        declared_by,
    )))
}

/// Changes a model.
///
/// A merge patch: what is absent stays, null takes the default.
#[utoipa::path(patch, path = "/models/{id}", tag = "models", params(("id" = i64, Path)),
    request_body(content = ModelInput, content_type = "application/merge-patch+json"),
    responses((status = 200, body = ModelBody)))]
pub(crate) async fn patch(
    State(state): State<AdminState>,
    caller: Caller,
    Id(id): Id,
    JsonObject(patch): JsonObject,
) -> Result<Json<ModelBody>, Error> {
    let change = state.change(&caller).await?;
    let (body, entry) = change_one(&change, id, patch).await?;
    change.commit(entry).await?;
    Ok(Json(body))
}

/// Applies a merge patch to a model.
pub(crate) async fn change_one(
    change: &Change<'_>,
    id: i64,
    patch: Map<String, Value>,
) -> Result<(ModelBody, Entry), Error> {
    let row = find(change.on(), id).await?;
    declared::must_be_free(change.on(), Kind::Model, id, &row.name).await?;
    let associations = counts(change.on(), [id]).await?;
    let associations = associations.get(&id).copied().unwrap_or(0);
    let before = ModelBody::of(row.clone(), associations, None);
    let mut fields = input::fields(json!({
        "name": row.name, "remark": row.remark, "max_retry": row.max_retry, "timeout": row.timeout,
        "enabled": row.enabled,
    }));
    input::merge(&mut fields, patch);
    let checked = Checked::of(fields)?;
    must_be_free(change.on(), &checked.name, Some(id)).await?;
    let mut changed = row.into_active_model();
    changed.name = Set(checked.name);
    changed.remark = Set(checked.remark);
    changed.max_retry = Set(Some(checked.max_retry));
    changed.timeout = Set(Some(checked.timeout));
    changed.enabled = Set(Some(checked.enabled));
    changed.updated_at = Set(Some(change::now()));
    let body = ModelBody::of(changed.update(change.on()).await?, associations, None);
    let entry = Entry::of("model", id, &body.name).changed(&before, &body);
    Ok((body, entry))
}

/// Deletes a model, with its associations and its routing policy.
#[utoipa::path(delete, path = "/models/{id}", tag = "models", params(("id" = i64, Path)),
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

/// Deletes a model, and what hangs on it.
pub(crate) async fn delete_one(change: &Change<'_>, id: i64) -> Result<Entry, Error> {
    let row = find(change.on(), id).await?;
    declared::must_be_free(change.on(), Kind::Model, id, &row.name).await?;
    declared::nothing_may_hang_on(change.on(), Kind::Model, id, &row.name).await?;
    let counts = counts(change.on(), [id]).await?;
    let gone = ModelBody::of(row, counts.get(&id).copied().unwrap_or(0), None);
    model::Entity::delete_by_id(id).exec(change.on()).await?;
    Ok(Entry::of("model", id, &gone.name).deleted(&gone))
}
