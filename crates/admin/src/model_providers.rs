//! Associations of models with providers: `/api/model-providers`.

use axum::{Json, extract::State};
use catalog::ProviderKind;
use chrono::{DateTime, Utc};
use entities::{model, model_provider, provider};
use http::StatusCode;
use sea_orm::{
    ActiveModelTrait,
    ActiveValue::{NotSet, Set},
    ColumnTrait, ConnectionTrait, EntityTrait, IntoActiveModel, QueryFilter,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use utoipa::{IntoParams, ToSchema};

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

const LARGEST_WEIGHT: i32 = 1_000_000;

/// An association to create, or what a PATCH makes of one. Absent or null fields have their defaults.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ModelProviderInput {
    #[schema(required = true, nullable = false, example = 1)]
    model_id: Option<i64>,
    #[schema(required = true, nullable = false, example = 1)]
    provider_id: Option<i64>,
    /// What the provider calls the model, 1 to 100 characters.
    #[schema(required = true, nullable = false, example = "gpt-5-2026-01-01")]
    provider_model: Option<String>,
    /// Multiplies the provider's weight, 0 (a spare) to 1000000; 1 by default.
    weight: Option<i32>,
    /// Whether it takes tools and tool messages; true by default.
    tool_call: Option<bool>,
    /// Whether it takes a JSON or schema response format; true by default.
    structured_output: Option<bool>,
    /// Whether it takes images; false by default.
    image: Option<bool>,
    /// True by default.
    enabled: Option<bool>,
}

/// An association.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ModelProviderBody {
    id: i64,
    model_id: i64,
    provider_id: i64,
    provider_model: String,
    weight: i32,
    tool_call: bool,
    structured_output: bool,
    image: bool,
    enabled: bool,
    /// The file that declares it, which alone can change it; null where none does.
    declared_by: Option<String>,
    created_at: Option<DateTime<Utc>>,
    updated_at: Option<DateTime<Utc>>,
}

impl From<model_provider::Model> for ModelProviderBody {
    fn from(row: model_provider::Model) -> Self {
        Self {
            id: row.id,
            model_id: row.model_id,
            provider_id: row.provider_id,
            provider_model: row.provider_model,
            weight: row.weight.unwrap_or(1),
            tool_call: row.tool_call.unwrap_or(true),
            structured_output: row.structured_output.unwrap_or(true),
            image: row.image.unwrap_or(false),
            enabled: row.enabled.unwrap_or(true),
            declared_by: None,
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}

impl ModelProviderBody {
    /// The same, with what declares it.
    fn declared(mut self, marks: &Marks) -> Self {
        self.declared_by = marks.shown(Kind::Association, self.id);
        self
    }
}

/// # Errors
/// A file declares it.
async fn must_be_free(
    connection: &impl ConnectionTrait,
    row: &model_provider::Model,
) -> Result<(), Error> {
    declared::must_be_free(connection, Kind::Association, row.id, &row.provider_model).await
}

/// A row with defaults for what is not named.
pub(crate) fn new_row(
    model_id: i64,
    provider_id: i64,
    provider_model: String,
) -> model_provider::ActiveModel {
    let now = change::now();
    model_provider::ActiveModel {
        id: NotSet,
        model_id: Set(model_id),
        provider_id: Set(provider_id),
        provider_model: Set(provider_model),
        weight: Set(Some(1)),
        tool_call: Set(Some(true)),
        structured_output: Set(Some(true)),
        image: Set(Some(false)),
        enabled: Set(Some(true)),
        created_at: Set(Some(now)),
        updated_at: Set(Some(now)),
    }
}

/// Checks the fields and turns them into a row's values; ids must exist.
pub(crate) async fn checked(
    connection: &impl ConnectionTrait,
    fields: Map<String, Value>,
) -> Result<model_provider::ActiveModel, Error> {
    let input: ModelProviderInput = read(fields)?;
    let id = |field: &'static str, given: Option<i64>| {
        given.ok_or_else(|| Error::invalid(field, "is missing"))
    };
    let model_id = id("model_id", input.model_id)?;
    let provider_id = id("provider_id", input.provider_id)?;
    let provider_model = input::name("provider_model", input.provider_model)?;
    let weight = input::number("weight", input.weight, (0, LARGEST_WEIGHT), 1)?;
    if model::Entity::find_by_id(model_id)
        .one(connection)
        .await?
        .is_none()
    {
        let reason = format!("there is no model {model_id}");
        return Err(Error::invalid("model_id", reason));
    }
    let Some(provider) = provider::Entity::find_by_id(provider_id)
        .one(connection)
        .await?
    else {
        let reason = format!("there is no provider {provider_id}");
        return Err(Error::invalid("provider_id", reason));
    };
    let kind: Option<ProviderKind> = provider.kind.parse().ok();
    if let Some(reason) = kind.and_then(|kind| kind.refuses(&provider_model)) {
        return Err(Error::invalid("provider_model", reason));
    }
    Ok(model_provider::ActiveModel {
        weight: Set(Some(weight)),
        tool_call: Set(Some(input.tool_call.unwrap_or(true))),
        structured_output: Set(Some(input.structured_output.unwrap_or(true))),
        image: Set(Some(input.image.unwrap_or(false))),
        enabled: Set(Some(input.enabled.unwrap_or(true))),
        ..new_row(model_id, provider_id, provider_model)
    })
}

/// The row of an association.
pub(crate) async fn find(
    connection: &impl ConnectionTrait,
    id: i64,
) -> Result<model_provider::Model, Error> {
    model_provider::Entity::find_by_id(id)
        .one(connection)
        .await?
        .ok_or_else(|| Error::NotFound(format!("model-provider {id}")))
}

fn entry(body: &ModelProviderBody) -> Entry {
    Entry::of("model_provider", body.id, &body.provider_model)
}

/// Which associations are asked for.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct ListQuery {
    /// Only this model's.
    model_id: Option<i64>,
    /// Only this provider's.
    provider_id: Option<i64>,
    /// Entries per page, 1 to 1000; 50 if absent.
    limit: Option<u64>,
    /// `next` of the page before.
    cursor: Option<String>,
}

/// All associations, newest first.
#[utoipa::path(get, path = "/model-providers", tag = "model-providers", params(ListQuery),
    responses((status = 200, body = Page<ModelProviderBody>)))]
pub(crate) async fn list(
    State(state): State<AdminState>,
    Query(query): Query<ListQuery>,
) -> Result<Json<Page<ModelProviderBody>>, Error> {
    use model_provider::Column;
    let mut select = model_provider::Entity::find();
    if let Some(id) = query.model_id {
        select = select.filter(Column::ModelId.eq(id));
    }
    if let Some(id) = query.provider_id {
        select = select.filter(Column::ProviderId.eq(id));
    }
    let page = PageQuery {
        limit: query.limit,
        cursor: query.cursor,
    };
    let rows = page::rows(&state.database, select, Column::Id, page, |row| row.id).await?;
    let ids = rows.data.iter().map(|row| row.id);
    let marks = Marks::of(&state.database, Kind::Association, ids).await?;
    Ok(Json(
        rows.map(|row| ModelProviderBody::from(row).declared(&marks)),
    ))
}

/// Associates a model with a provider.
#[utoipa::path(post, path = "/model-providers", tag = "model-providers", request_body = ModelProviderInput,
    responses((status = 201, body = ModelProviderBody)))]
pub(crate) async fn create(
    State(state): State<AdminState>,
    caller: Caller,
    JsonObject(fields): JsonObject,
) -> Result<(StatusCode, Json<ModelProviderBody>), Error> {
    let change = state.change(&caller).await?;
    let row = checked(change.on(), fields)
        .await?
        .insert(change.on())
        .await?;
    let body = ModelProviderBody::from(row);
    let entry = entry(&body).created(&body);
    change.commit(entry).await?;
    Ok((StatusCode::CREATED, Json(body)))
}

/// One association.
#[utoipa::path(get, path = "/model-providers/{id}", tag = "model-providers", params(("id" = i64, Path)),
    responses((status = 200, body = ModelProviderBody)))]
pub(crate) async fn get(
    State(state): State<AdminState>,
    Id(id): Id,
) -> Result<Json<ModelProviderBody>, Error> {
    let body = ModelProviderBody::from(find(&state.database, id).await?);
    let marks = Marks::of(&state.database, Kind::Association, [id]).await?;
    Ok(Json(body.declared(&marks)))
}

/// Changes an association.
///
/// A merge patch: what is absent stays, null takes the default.
#[utoipa::path(patch, path = "/model-providers/{id}", tag = "model-providers", params(("id" = i64, Path)),
    request_body(content = ModelProviderInput, content_type = "application/merge-patch+json"),
    responses((status = 200, body = ModelProviderBody)))]
pub(crate) async fn patch(
    State(state): State<AdminState>,
    caller: Caller,
    Id(id): Id,
    JsonObject(patch): JsonObject,
) -> Result<Json<ModelProviderBody>, Error> {
    let change = state.change(&caller).await?;
    let (body, entry) = change_one(&change, id, patch).await?;
    change.commit(entry).await?;
    Ok(Json(body))
}

/// Applies a merge patch to an association.
pub(crate) async fn change_one(
    change: &Change<'_>,
    id: i64,
    patch: Map<String, Value>,
) -> Result<(ModelProviderBody, Entry), Error> {
    let row = find(change.on(), id).await?;
    must_be_free(change.on(), &row).await?;
    let mut fields = input::fields(json!({
        "model_id": row.model_id, "provider_id": row.provider_id, "provider_model": row.provider_model,
        "weight": row.weight, "tool_call": row.tool_call, "structured_output": row.structured_output,
        "image": row.image, "enabled": row.enabled,
    }));
    input::merge(&mut fields, patch);
    let values = checked(change.on(), fields).await?;
    let before = ModelProviderBody::from(row.clone());
    let old = row.into_active_model();
    let changed = model_provider::ActiveModel {
        id: old.id,
        created_at: old.created_at,
        ..values
    };
    let body = ModelProviderBody::from(changed.update(change.on()).await?);
    let entry = entry(&body).changed(&before, &body);
    Ok((body, entry))
}

/// Ends an association.
#[utoipa::path(delete, path = "/model-providers/{id}", tag = "model-providers", params(("id" = i64, Path)),
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

/// Ends an association.
pub(crate) async fn delete_one(change: &Change<'_>, id: i64) -> Result<Entry, Error> {
    let row = find(change.on(), id).await?;
    must_be_free(change.on(), &row).await?;
    let gone = ModelProviderBody::from(row);
    model_provider::Entity::delete_by_id(id)
        .exec(change.on())
        .await?;
    Ok(entry(&gone).deleted(&gone))
}
