//! The models a key may ask for.

use access::ClientKey;
use bytes::Bytes;
use catalog::{Model, Snapshot};
use protocol::openai;
use router::Route;

use crate::error::{Error, model_not_found};

/// The list, ordered by name.
pub(crate) fn list(snapshot: &Snapshot, caller: &ClientKey) -> Bytes {
    let mut models: Vec<&Model> = snapshot
        .models()
        .filter(|model| is_listed(snapshot, caller, &model.name))
        .collect();
    models.sort_by(|one, other| one.name.cmp(&other.name));
    let entries = models
        .into_iter()
        .map(|model| openai::model(&model.name, model.created))
        .collect();
    openai::model_list(entries).to_string().into()
}

/// One of them.
pub(crate) fn one(snapshot: &Snapshot, caller: &ClientKey, name: &str) -> Result<Bytes, Error> {
    match snapshot.model(name) {
        Some((model, _)) if is_listed(snapshot, caller, name) => {
            Ok(openai::model(&model.name, model.created).to_string().into())
        }
        _ => Err(model_not_found(name)),
    }
}

/// Enabled, allowed to the key, and served by somebody.
fn is_listed(snapshot: &Snapshot, caller: &ClientKey, name: &str) -> bool {
    let serves = |route: &Route| {
        route
            .candidates()
            .iter()
            .any(|it| it.is_enabled() && it.is_provider_enabled())
    };
    caller.may_use_model(name)
        && snapshot
            .model(name)
            .is_some_and(|(model, route)| model.enabled && serves(route))
}
