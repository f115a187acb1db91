//! Keys of the admin API itself: `/api/admin-keys`, and whose is the one in use: `/api/me`.

use access::NewKey;
use axum::{Json, extract::State};
use chrono::{DateTime, Utc};
use entities::admin_key::{self, ActiveModel, Column, Entity};
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
    AdminState,
    audit::Entry,
    auth::{Caller, FROM_SETTINGS, Role},
    change,
    error::Error,
    extract::{Id, JsonObject, Query, read},
    input,
    page::{self, Page, PageQuery},
};

/// An admin key to create, or what a PATCH makes of one.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AdminKeyInput {
    /// Unique, 1 to 100 characters; stands for the key in the audit log.
    #[schema(required = true, nullable = false, example = "console")]
    name: Option<String>,
    /// What its holder may do: `read-only`, `operator` or `admin`.
    #[schema(required = true, nullable = false, example = "operator")]
    role: Option<Role>,
    /// True by default.
    enabled: Option<bool>,
    /// When it stops being accepted; never by default.
    expires_at: Option<DateTime<Utc>>,
}

/// An admin key. The key itself is known to its holder only.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AdminKeyBody {
    id: i64,
    name: String,
    /// The first characters of the key, to recognise it by.
    #[schema(example = "lo-admin-Ab3dEf")]
    key_prefix: String,
    #[schema(example = "operator")]
    role: String,
    enabled: bool,
    expires_at: Option<DateTime<Utc>>,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

/// An admin key just made.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct NewAdminKeyBody {
    #[serde(flatten)]
    rest: AdminKeyBody,
    /// The key. It is shown this once and stored nowhere.
    key: String,
}

impl From<admin_key::Model> for AdminKeyBody {
    fn from(row: admin_key::Model) -> Self {
        Self {
            id: row.id,
            name: row.name,
            key_prefix: row.key_prefix,
            role: row.role,
            enabled: row.enabled,
            expires_at: row.expires_at,
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}

struct Checked {
    name: String,
    role: Role,
    enabled: bool,
    expires_at: Option<DateTime<Utc>>,
}

impl Checked {
    fn of(fields: Map<String, Value>) -> Result<Self, Error> {
        let input: AdminKeyInput = read(fields)?;
        let name = input::name("name", input.name)?;
        if name == FROM_SETTINGS {
            let reason = format!("'{FROM_SETTINGS}' is the key from the settings");
            return Err(Error::invalid("name", reason));
        }
        Ok(Self {
            name,
            role: input
                .role
                .ok_or_else(|| Error::invalid("role", "is missing"))?,
            enabled: input.enabled.unwrap_or(true),
            expires_at: input.expires_at,
        })
    }
}

async fn find(connection: &impl ConnectionTrait, id: i64) -> Result<admin_key::Model, Error> {
    Entity::find_by_id(id)
        .one(connection)
        .await?
        .ok_or_else(|| Error::NotFound(format!("admin key {id}")))
}

async fn must_be_free(
    connection: &impl ConnectionTrait,
    name: &str,
    except: Option<i64>,
) -> Result<(), Error> {
    let taken = Entity::find()
        .filter(Column::Name.eq(name))
        .one(connection)
        .await?;
    if taken.is_some_and(|row| Some(row.id) != except) {
        let message = format!("name: an admin key '{name}' exists already");
        return Err(Error::conflict("name", message));
    }
    Ok(())
}

/// Whose key this is.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct MeBody {
    /// Its name in the audit log; `env` is the key from the settings.
    #[schema(example = "env")]
    name: String,
    role: Role,
}

/// The admin key that the call is made with.
#[utoipa::path(get, path = "/me", tag = "admin-keys", responses((status = 200, body = MeBody)))]
pub(crate) async fn me(caller: Caller) -> Json<MeBody> {
    Json(MeBody {
        name: caller.name,
        role: caller.role,
    })
}

/// All admin keys, newest first, but the one from the settings. Takes an admin.
#[utoipa::path(get, path = "/admin-keys", tag = "admin-keys", params(PageQuery),
    responses((status = 200, body = Page<AdminKeyBody>)))]
pub(crate) async fn list(
    State(state): State<AdminState>,
    caller: Caller,
    Query(query): Query<PageQuery>,
) -> Result<Json<Page<AdminKeyBody>>, Error> {
    caller.must_be(Role::Admin)?;
    let rows = page::rows(&state.database, Entity::find(), Column::Id, query, |row| {
        row.id
    })
    .await?;
    Ok(Json(rows.map(Into::into)))
}

/// Makes an admin key. Takes an admin.
#[utoipa::path(post, path = "/admin-keys", tag = "admin-keys", request_body = AdminKeyInput,
    responses((status = 201, body = NewAdminKeyBody)))]
pub(crate) async fn create(
    State(state): State<AdminState>,
    caller: Caller,
    JsonObject(fields): JsonObject,
) -> Result<(StatusCode, Json<NewAdminKeyBody>), Error> {
    caller.must_be(Role::Admin)?;
    let checked = Checked::of(fields)?;
    let new = NewKey::generate_for_admin()
        .map_err(|_| Error::Internal("the random number generator failed"))?;
    let change = state.change(&caller).await?;
    must_be_free(change.on(), &checked.name, None).await?;
    let now = change::now();
    let row = ActiveModel {
        id: NotSet,
        name: Set(checked.name),
        key_hash: Set(new.hash.to_hex()),
        key_prefix: Set(new.shown),
        role: Set(checked.role.as_str().to_owned()),
        enabled: Set(checked.enabled),
        expires_at: Set(checked.expires_at),
        created_at: Set(now),
        updated_at: Set(now),
    };
    let rest = AdminKeyBody::from(row.insert(change.on()).await?);
    let entry = Entry::of("admin_key", rest.id, &rest.name).created(&rest);
    change.commit(entry).await?;
    let body = NewAdminKeyBody {
        rest,
        key: new.secret.expose_secret().to_owned(),
    };
    Ok((StatusCode::CREATED, Json(body)))
}

/// One admin key. Takes an admin.
#[utoipa::path(get, path = "/admin-keys/{id}", tag = "admin-keys", params(("id" = i64, Path)),
    responses((status = 200, body = AdminKeyBody)))]
pub(crate) async fn get(
    State(state): State<AdminState>,
    caller: Caller,
    Id(id): Id,
) -> Result<Json<AdminKeyBody>, Error> {
    caller.must_be(Role::Admin)?;
    Ok(Json(find(&state.database, id).await?.into()))
}

/// Changes an admin key, as to disable it. Takes an admin.
///
/// A merge patch: what is absent stays, null takes the default.
#[utoipa::path(patch, path = "/admin-keys/{id}", tag = "admin-keys", params(("id" = i64, Path)),
    request_body(content = AdminKeyInput, content_type = "application/merge-patch+json"),
    responses((status = 200, body = AdminKeyBody)))]
pub(crate) async fn patch(
    State(state): State<AdminState>,
    caller: Caller,
    Id(id): Id,
    JsonObject(patch): JsonObject,
) -> Result<Json<AdminKeyBody>, Error> {
    caller.must_be(Role::Admin)?;
    let change = state.change(&caller).await?;
    let row = find(change.on(), id).await?;
    let before = AdminKeyBody::from(row.clone());
    let mut fields = input::fields(json!({
        "name": row.name, "role": row.role, "enabled": row.enabled, "expires_at": row.expires_at,
    }));
    input::merge(&mut fields, patch);
    let checked = Checked::of(fields)?;
    must_be_free(change.on(), &checked.name, Some(id)).await?;
    let mut changed = row.into_active_model();
    changed.name = Set(checked.name);
    changed.role = Set(checked.role.as_str().to_owned());
    changed.enabled = Set(checked.enabled);
    changed.expires_at = Set(checked.expires_at);
    changed.updated_at = Set(change::now());
    let body = AdminKeyBody::from(changed.update(change.on()).await?);
    let entry = Entry::of("admin_key", id, &body.name).changed(&before, &body);
    change.commit(entry).await?;
    Ok(Json(body))
}

/// Deletes an admin key. What it did stays in the audit log, under its name. Takes an admin.
#[utoipa::path(delete, path = "/admin-keys/{id}", tag = "admin-keys", params(("id" = i64, Path)),
    responses((status = 204)))]
pub(crate) async fn delete(
    State(state): State<AdminState>,
    caller: Caller,
    Id(id): Id,
) -> Result<StatusCode, Error> {
    caller.must_be(Role::Admin)?;
    let change = state.change(&caller).await?;
    let gone = AdminKeyBody::from(find(change.on(), id).await?);
    Entity::delete_by_id(id).exec(change.on()).await?;
    let entry = Entry::of("admin_key", id, &gone.name).deleted(&gone);
    change.commit(entry).await?;
    Ok(StatusCode::NO_CONTENT)
}
