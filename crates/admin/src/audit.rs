//! What was changed, by whom: `/api/audit`.
//!
//! Every change is recorded in the transaction that makes it, so that neither can be without the other. What is kept of
//! an object is what the API shows of it, in which secrets are masks.

use axum::{Json, extract::State};
use chrono::{DateTime, Utc};
use entities::audit_log::{ActiveModel, Column, Entity, Model};
use sea_orm::{
    ActiveValue::{NotSet, Set},
    ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use crate::{
    AdminState,
    auth::Caller,
    change,
    error::Error,
    extract::{Query, moment},
    page::{self, Page, PageQuery},
};

/// Widest name that the column holds, in characters.
const NAME_CHARS: usize = 100;

/// One change of one object, to be recorded.
#[derive(Debug)]
pub(crate) struct Entry {
    action: &'static str,
    object_type: &'static str,
    object_id: Option<i64>,
    object_name: Option<String>,
    before: Option<Value>,
    after: Option<Value>,
}

impl Entry {
    /// A change of the object of this kind, id and name; what was done is to be added.
    pub(crate) fn of(object_type: &'static str, id: impl Into<Option<i64>>, name: &str) -> Self {
        Self {
            action: "",
            object_type,
            object_id: id.into(),
            object_name: Some(name.chars().take(NAME_CHARS).collect()),
            before: None,
            after: None,
        }
    }

    /// It is new.
    pub(crate) fn created(self, after: &impl Serialize) -> Self {
        self.done("create", None, Some(shown(after)))
    }

    /// It is another than before.
    pub(crate) fn changed(self, before: &impl Serialize, after: &impl Serialize) -> Self {
        self.done("update", Some(shown(before)), Some(shown(after)))
    }

    /// It is no more.
    pub(crate) fn deleted(self, before: &impl Serialize) -> Self {
        self.done("delete", Some(shown(before)), None)
    }

    /// Anything else; `after` tells what came of it.
    pub(crate) fn done_as(self, action: &'static str, after: &impl Serialize) -> Self {
        self.done(action, None, Some(shown(after)))
    }

    fn done(self, action: &'static str, before: Option<Value>, after: Option<Value>) -> Self {
        Self {
            action,
            before,
            after,
            ..self
        }
    }

    /// Writes it, as done by `caller`.
    pub(crate) async fn write(
        self,
        caller: &Caller,
        connection: &impl ConnectionTrait,
    ) -> Result<(), Error> {
        let row = ActiveModel {
            id: NotSet,
            actor: Set(caller.name.clone()),
            action: Set(self.action.to_owned()),
            object_type: Set(self.object_type.to_owned()),
            object_id: Set(self.object_id),
            object_name: Set(self.object_name),
            before_json: Set(self.before),
            after_json: Set(self.after),
            ip_address: Set(caller.ip.map(|ip| ip.to_string())),
            request_id: Set(caller.request_id.clone()),
            created_at: Set(change::now()),
        };
        Entity::insert(row)
            .exec_without_returning(connection)
            .await?;
        Ok(())
    }
}

/// What the API shows of an object. It cannot fail: bodies are structs and maps with text for keys.
fn shown(body: &impl Serialize) -> Value {
    serde_json::to_value(body).unwrap_or_default()
}

/// A change that was made.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AuditBody {
    id: i64,
    /// Name of the admin key; `env` is the one from the settings, `apply` a file that declares objects.
    actor: String,
    /// `create`, `update`, `delete`, `import`, or `apply` of a file that declares objects.
    #[schema(example = "update")]
    action: String,
    /// `provider`, `model`, `model_provider`, `policy`, `price`, `key`, `admin_key`, `request_logs`, ...
    #[schema(example = "provider")]
    object_type: String,
    object_id: Option<i64>,
    /// The name it has after the change.
    object_name: Option<String>,
    /// As the API showed it before, with secrets masked; null where it is new.
    before: Option<Value>,
    /// As the API shows it after; null where it is gone.
    after: Option<Value>,
    ip_address: Option<String>,
    /// The `x-request-id` of the answer to the call that did it.
    request_id: Option<String>,
    created_at: DateTime<Utc>,
}

impl From<Model> for AuditBody {
    fn from(row: Model) -> Self {
        Self {
            id: row.id,
            actor: row.actor,
            action: row.action,
            object_type: row.object_type,
            object_id: row.object_id,
            object_name: row.object_name,
            before: row.before_json,
            after: row.after_json,
            ip_address: row.ip_address,
            request_id: row.request_id,
            created_at: row.created_at,
        }
    }
}

/// Which changes. What is absent does not matter.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct AuditQuery {
    /// Name of the admin key.
    actor: Option<String>,
    /// What was done.
    action: Option<String>,
    /// What kind of thing it was done to.
    object_type: Option<String>,
    object_id: Option<i64>,
    request_id: Option<String>,
    /// Then or later: a date, or a time as 2026-01-31T08:00:00Z.
    from: Option<String>,
    /// Before: a date, or a time.
    to: Option<String>,
    /// Entries per page, 1 to 1000; 50 if absent.
    limit: Option<u64>,
    /// `next` of the page before.
    cursor: Option<String>,
}

/// Changes made over the admin API, newest first.
#[utoipa::path(get, path = "/audit", tag = "audit", params(AuditQuery),
    responses((status = 200, body = Page<AuditBody>)))]
pub(crate) async fn list(
    State(state): State<AdminState>,
    Query(query): Query<AuditQuery>,
) -> Result<Json<Page<AuditBody>>, Error> {
    let texts = [
        (Column::Actor, query.actor),
        (Column::Action, query.action),
        (Column::ObjectType, query.object_type),
        (Column::RequestId, query.request_id),
    ];
    let mut select = Entity::find();
    for (column, wanted) in texts {
        if let Some(wanted) = wanted {
            select = select.filter(column.eq(wanted));
        }
    }
    if let Some(id) = query.object_id {
        select = select.filter(Column::ObjectId.eq(id));
    }
    if let Some(from) = moment("from", query.from)? {
        select = select.filter(Column::CreatedAt.gte(from));
    }
    if let Some(to) = moment("to", query.to)? {
        select = select.filter(Column::CreatedAt.lt(to));
    }
    let page = PageQuery {
        limit: query.limit,
        cursor: query.cursor,
    };
    let rows = page::rows(&state.database, select, Column::Id, page, |row| row.id).await?;
    Ok(Json(rows.map(Into::into)))
}
