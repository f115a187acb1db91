//! Guards on content, as the admin API takes them.

use catalog::moderation_url;
use guards::{Guards, GuardsFields};
use serde_json::Value;
use upstream::NetworkPolicy;

use crate::{
    auth::{Caller, Role},
    error::Error,
};

/// Whether who calls may have these guards take the place of those. A moderation endpoint gets to read requests and answers,
/// and a secret of the machine's as its key: both are for admins to give away, as with providers, and what they want
/// moderated is for them to leave out.
pub(crate) fn must_be_allowed(
    caller: &Caller,
    before: Option<&Value>,
    after: Option<&Value>,
) -> Result<(), Error> {
    let moderation = |guards: Option<&Value>| guards.and_then(|it| it.get("moderation")).cloned();
    if moderation(before) == moderation(after) {
        return Ok(());
    }
    caller.must_be(Role::Admin)
}

/// Guards as they are stored; none if nothing is guarded. Keys that they refer to are not looked for: another replica may
/// have them.
pub(crate) fn stored(
    fields: Option<GuardsFields>,
    networks: NetworkPolicy,
) -> Result<Option<Value>, Error> {
    let Some(fields) = fields else {
        return Ok(None);
    };
    let invalid = |field: &str, reason: String| Error::invalid(format!("guards.{field}"), reason);
    let open = |_: &str| Ok(String::new().into());
    let guards = Guards::of(&fields, open, |url| moderation_url(url, networks))
        .map_err(|error| invalid(&error.field, error.reason))?;
    let moderation = guards.as_ref().and_then(|it| it.moderation.as_ref());
    if let Some(Err(reason)) = moderation.map(|moderation| &moderation.url) {
        return Err(invalid("moderation.url", reason.clone()));
    }
    let stored = guards.map(|_| serde_json::to_value(fields));
    stored
        .transpose()
        .map_err(|_| Error::Internal("guards cannot be written"))
}
