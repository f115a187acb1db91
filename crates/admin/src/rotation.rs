//! Rotation of client keys: `/api/keys/{id}/rotate`.

use access::NewKey;
use axum::{Json, extract::State};
use chrono::TimeDelta;
use sea_orm::{ActiveModelTrait, ActiveValue::Set, IntoActiveModel};
use secrecy::ExposeSecret;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::{
    AdminState,
    audit::Entry,
    auth::Caller,
    change,
    error::Error,
    extract::{Id, JsonObject, read},
    input,
    keys::{self, NewKeyBody},
};

/// How long the old key is accepted beside the new one, in seconds, where nothing else is said: a day.
const OVERLAP: i32 = 86_400;
/// The longest that may be said: thirty days.
const LONGEST: i32 = 30 * 86_400;

/// How a key is rotated.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RotationInput {
    /// Seconds for which the old key is accepted too, 0 to 2592000; 86400 by default.
    overlap_seconds: Option<i32>,
}

/// Gives a client key a new secret.
///
/// The old one is accepted until the overlap ends, and both are by disabling the key until then. One that was replaced
/// before is accepted no longer.
#[utoipa::path(post, path = "/keys/{id}/rotate", tag = "keys", params(("id" = i64, Path)),
    request_body = RotationInput, responses((status = 200, body = NewKeyBody)))]
pub(crate) async fn rotate(
    State(state): State<AdminState>,
    caller: Caller,
    Id(id): Id,
    JsonObject(fields): JsonObject,
) -> Result<Json<NewKeyBody>, Error> {
    let input: RotationInput = read(fields)?;
    let overlap = input::number(
        "overlap_seconds",
        input.overlap_seconds,
        (0, LONGEST),
        OVERLAP,
    )?;
    let new =
        NewKey::generate().map_err(|_| Error::Internal("the random number generator failed"))?;
    let change = state.change(&caller).await?;
    let row = keys::find_free(change.on(), id).await?;
    let before = keys::audited(&row);
    let now = change::now();
    let overlaps = overlap > 0;
    let previous = overlaps.then(|| row.key_hash.clone());
    let until = overlaps.then(|| now + TimeDelta::seconds(overlap.into()));
    let mut changed = row.into_active_model();
    changed.key_hash = Set(new.hash.to_hex());
    changed.key_prefix = Set(new.shown);
    changed.previous_hash = Set(previous);
    changed.previous_expires_at = Set(until);
    changed.updated_at = Set(now);
    let row = changed.update(change.on()).await?;
    let entry = Entry::of("key", id, &row.name).changed(&before, &keys::audited(&row));
    change.commit(entry).await?;
    let key = new.secret.expose_secret().to_owned();
    Ok(Json(keys::new_body(&state, row, key).await?))
}
