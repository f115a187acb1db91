//! One change of many objects, in one transaction: `/api/{providers,models,model-providers,keys}/batch`.
//!
//! Each object is changed by the rules of its own endpoint and has an entry of its own in the audit log. If one cannot be
//! changed none is, and the error says which it was.

use std::collections::HashSet;

use axum::{Json, extract::State};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use crate::{
    AdminState,
    audit::Entry,
    auth::Caller,
    change::Change,
    error::Error,
    extract::{JsonObject, read},
    input, keys, model_providers, models, providers,
};

const MOST_IDS: usize = 1000;

/// What to do to whom.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct BatchInput {
    /// 1 to 1000 ids, each once.
    #[schema(required = true, nullable = false, example = json!([1, 2]))]
    ids: Option<Vec<i64>>,
    /// `enable`, `disable`, `delete` or, for providers and associations, `set_weight`.
    #[schema(required = true, nullable = false, example = "disable")]
    action: Option<String>,
    /// With `set_weight`: 0 to 1000000.
    weight: Option<i64>,
    /// With `delete` of providers: delete their associations too; without it one that has some stays, and so do all.
    force: Option<bool>,
}

/// What was done to whom.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct BatchBody {
    action: String,
    ids: Vec<i64>,
}

/// Of what the ids are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Of {
    Providers,
    Models,
    Associations,
    Keys,
}

/// What is done to each.
#[derive(Debug)]
enum Action {
    Patch(Map<String, Value>),
    Delete { force: bool },
}

impl Action {
    fn of(of: Of, input: &BatchInput) -> Result<Self, Error> {
        let name = input
            .action
            .as_deref()
            .ok_or_else(|| Error::invalid("action", "is missing"))?;
        if input.weight.is_some() && name != "set_weight" {
            return Err(Error::invalid("weight", "is for 'set_weight' only"));
        }
        if input.force.is_some() && (name, of) != ("delete", Of::Providers) {
            return Err(Error::invalid("force", "is for 'delete' of providers only"));
        }
        let patch = match (name, of) {
            ("enable", _) => json!({"enabled": true}),
            ("disable", _) => json!({"enabled": false}),
            ("delete", _) => {
                let force = input.force.unwrap_or(false);
                return Ok(Self::Delete { force });
            }
            ("set_weight", Of::Providers | Of::Associations) => {
                let weight = input
                    .weight
                    .ok_or_else(|| Error::invalid("weight", "is missing"))?;
                match of {
                    Of::Providers => json!({"config": {"weight": weight}}),
                    _ => json!({"weight": weight}),
                }
            }
            _ => {
                let reason = "must be 'enable', 'disable', 'delete' or, for providers and associations, 'set_weight'";
                return Err(Error::invalid("action", reason));
            }
        };
        Ok(Self::Patch(input::fields(patch)))
    }
}

fn ids(given: Option<Vec<i64>>) -> Result<Vec<i64>, Error> {
    let ids = given.ok_or_else(|| Error::invalid("ids", "is missing"))?;
    if !(1..=MOST_IDS).contains(&ids.len()) {
        return Err(Error::invalid(
            "ids",
            format!("must have 1 to {MOST_IDS} entries"),
        ));
    }
    let mut seen = HashSet::new();
    match ids.iter().find(|id| !seen.insert(**id)) {
        Some(twice) => Err(Error::invalid("ids", format!("has {twice} twice"))),
        None => Ok(ids),
    }
}

async fn run(
    state: &AdminState,
    caller: &Caller,
    of: Of,
    fields: Map<String, Value>,
) -> Result<Json<BatchBody>, Error> {
    let input: BatchInput = read(fields)?;
    let action = Action::of(of, &input)?;
    let ids = ids(input.ids)?;
    let change = state.change(caller).await?;
    let mut entries = Vec::with_capacity(ids.len());
    for id in &ids {
        let entry = one(&change, of, *id, &action).await;
        entries.push(entry.map_err(|error| error.about(*id))?);
    }
    change.commit_all(entries).await?;
    let action = input.action.unwrap_or_default();
    Ok(Json(BatchBody { action, ids }))
}

async fn one(change: &Change<'_>, of: Of, id: i64, action: &Action) -> Result<Entry, Error> {
    match action {
        Action::Patch(patch) => {
            let patch = patch.clone();
            Ok(match of {
                Of::Providers => providers::change_one(change, id, patch).await?.1,
                Of::Models => models::change_one(change, id, patch).await?.1,
                Of::Associations => model_providers::change_one(change, id, patch).await?.1,
                Of::Keys => keys::change_one(change, id, patch).await?.1,
            })
        }
        Action::Delete { force } => match of {
            Of::Providers => providers::delete_one(change, id, *force).await,
            Of::Models => models::delete_one(change, id).await,
            Of::Associations => model_providers::delete_one(change, id).await,
            Of::Keys => keys::delete_one(change, id).await,
        },
    }
}

/// Changes or deletes many providers, all or none.
#[utoipa::path(post, path = "/providers/batch", tag = "providers", request_body = BatchInput,
    responses((status = 200, body = BatchBody)))]
pub(crate) async fn of_providers(
    State(state): State<AdminState>,
    caller: Caller,
    JsonObject(fields): JsonObject,
) -> Result<Json<BatchBody>, Error> {
    run(&state, &caller, Of::Providers, fields).await
}

/// Changes or deletes many models, all or none.
#[utoipa::path(post, path = "/models/batch", tag = "models", request_body = BatchInput,
    responses((status = 200, body = BatchBody)))]
pub(crate) async fn of_models(
    State(state): State<AdminState>,
    caller: Caller,
    JsonObject(fields): JsonObject,
) -> Result<Json<BatchBody>, Error> {
    run(&state, &caller, Of::Models, fields).await
}

/// Changes or ends many associations, all or none.
#[utoipa::path(post, path = "/model-providers/batch", tag = "model-providers", request_body = BatchInput,
    responses((status = 200, body = BatchBody)))]
pub(crate) async fn of_associations(
    State(state): State<AdminState>,
    caller: Caller,
    JsonObject(fields): JsonObject,
) -> Result<Json<BatchBody>, Error> {
    run(&state, &caller, Of::Associations, fields).await
}

/// Changes or deletes many client keys, all or none.
#[utoipa::path(post, path = "/keys/batch", tag = "keys", request_body = BatchInput,
    responses((status = 200, body = BatchBody)))]
pub(crate) async fn of_keys(
    State(state): State<AdminState>,
    caller: Caller,
    JsonObject(fields): JsonObject,
) -> Result<Json<BatchBody>, Error> {
    run(&state, &caller, Of::Keys, fields).await
}
