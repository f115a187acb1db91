//! Guards of rows.

use std::sync::Arc;

use guards::{Guards, GuardsFields};
use http::Uri;
use sea_orm::JsonValue;
use serde::Deserialize;
use upstream::{BaseUrl, NetworkPolicy};

use crate::Secrets;

/// The guards that a column holds.
pub(crate) fn of_column(
    column: Option<&JsonValue>,
    secrets: &Secrets,
    networks: NetworkPolicy,
) -> Result<Option<Arc<Guards>>, String> {
    let Some(column) = column else {
        return Ok(None);
    };
    let fields = GuardsFields::deserialize(column).map_err(|error| error.to_string())?;
    let guards = guards_of(&fields, secrets, networks).map_err(|error| error.to_string())?;
    Ok(guards.map(Arc::new))
}

/// Guards with the keys that they refer to, and with addresses that may be connected to by `networks`.
///
/// # Errors
/// A field does not hold what it should. A key that cannot be had and an address that may not be are none: then the endpoint
/// is one that does not answer.
pub fn guards_of(
    fields: &GuardsFields,
    secrets: &Secrets,
    networks: NetworkPolicy,
) -> Result<Option<Guards>, guards::GuardError> {
    let open = |reference: &str| secrets.open(reference).map_err(|error| error.to_string());
    let guards = Guards::of(fields, open, |url| moderation_url(url, networks))?;
    if let Some(moderation) = guards.as_ref().and_then(|it| it.moderation.as_ref()) {
        if let Err(error) = &moderation.key {
            tracing::error!(error, "the key of a moderation endpoint cannot be had");
        }
        if let Err(error) = &moderation.url {
            tracing::error!(error, "a moderation endpoint may not be connected to");
        }
    }
    Ok(guards)
}

/// The address of a moderation endpoint.
///
/// # Errors
/// It is none, or one that `networks` refuses.
pub fn moderation_url(url: &str, networks: NetworkPolicy) -> Result<Uri, String> {
    let url = BaseUrl::parse(url, networks).map_err(|error| error.to_string())?;
    url.join("").map_err(|error| error.to_string())
}
