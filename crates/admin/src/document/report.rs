//! What a document changes, as it is told.

use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::{Fault, Kind};

/// What becomes of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Action {
    Create,
    Update,
    Delete,
}

/// A field that changes. Secrets are masked.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(crate) struct FieldChange {
    #[schema(example = "config.base_url")]
    pub(crate) field: String,
    /// Null where it has not been there.
    pub(crate) before: Value,
    /// Null where it will not be there.
    pub(crate) after: Value,
}

/// An object that changes.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ObjectChange {
    pub(crate) action: Action,
    /// `provider`, `model`, `association`, `policy`, `price` or `key`.
    #[schema(example = "provider")]
    pub(crate) kind: &'static str,
    /// Its name, or the names it joins.
    #[schema(example = "openai")]
    pub(crate) name: String,
    /// Of a deleted object there are none.
    pub(crate) fields: Vec<FieldChange>,
}

/// How many objects there are of each sort.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Summary {
    pub(crate) create: usize,
    pub(crate) update: usize,
    pub(crate) delete: usize,
    /// Those of the document that are as it says.
    pub(crate) unchanged: usize,
}

/// What an import did, or would do.
#[derive(Debug, Default, Serialize, ToSchema)]
pub(crate) struct Report {
    /// Whether nothing was written.
    pub(crate) dry_run: bool,
    pub(crate) summary: Summary,
    pub(crate) changes: Vec<ObjectChange>,
    /// What does not stop it: secrets that the document leaves out, what could not be carried over.
    pub(crate) warnings: Vec<Fault>,
}

impl Report {
    pub(crate) fn add(
        &mut self,
        action: Action,
        kind: Kind,
        name: String,
        fields: Vec<FieldChange>,
    ) {
        let count = match action {
            Action::Create => &mut self.summary.create,
            Action::Update => &mut self.summary.update,
            Action::Delete => &mut self.summary.delete,
        };
        *count += 1;
        self.changes.push(ObjectChange {
            action,
            kind: kind.name(),
            name,
            fields,
        });
    }
}
