//! Guards of rows.

use std::sync::Arc;

use guards::{Guards, GuardsFields};
use sea_orm::JsonValue;
use serde::Deserialize;

use crate::Secrets;

/// The guards that a column holds.
pub(crate) fn of_column(
    column: Option<&JsonValue>,
    secrets: &Secrets,
) -> Result<Option<Arc<Guards>>, String> {
    let Some(column) = column else {
        return Ok(None);
    };
    let fields = GuardsFields::deserialize(column).map_err(|error| error.to_string())?;
    let guards = guards_of(&fields, secrets).map_err(|error| error.to_string())?;
    Ok(guards.map(Arc::new))
}

/// Guards with the keys that they refer to.
///
/// # Errors
/// A field does not hold what it should. A key that cannot be had is none: then the endpoint is one that does not answer.
pub fn guards_of(
    fields: &GuardsFields,
    secrets: &Secrets,
) -> Result<Option<Guards>, guards::GuardError> {
    let guards = Guards::of(fields, |reference| {
        secrets.open(reference).map_err(|error| error.to_string())
    })?;
    let moderation = guards.as_ref().and_then(|it| it.moderation.as_ref());
    if let Some(Err(error)) = moderation.map(|moderation| &moderation.key) {
        tracing::error!(error, "the key of a moderation endpoint cannot be had");
    }
    Ok(guards)
}
