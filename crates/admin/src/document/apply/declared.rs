//! What a document may touch of what files declare, and the marks of what it declares itself.

use super::{Action, FieldChange, Names, Run};
use crate::{
    declared,
    document::{Fault, Kind},
    error::Error,
};

/// What becomes of objects that a file has declared and names no more.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub enum Rest {
    /// They stay, as declared by it.
    #[default]
    Keep,
    /// They go.
    Prune,
    /// They stay, and anybody may change them.
    Release,
}

/// The field that tells by what an object is declared.
const DECLARED_BY: &str = "declared_by";

impl Run<'_> {
    /// # Errors
    /// An object that is to be changed is declared by a file, and not by the one that is applied.
    pub(super) fn may_change(&self, kind: Kind, id: i64, name: &str) -> Result<(), Error> {
        match self.marks.owner(kind, id) {
            Some(owner) if self.owner != Some(owner) => Err(declared::refusal(kind, name, owner)),
            _ => Ok(()),
        }
    }

    /// Tells, of an object that was nobody's, by what it is declared from now on.
    pub(super) fn adoption(&self, kind: Kind, id: i64) -> Option<FieldChange> {
        let owner = self.owner?;
        self.marks.owner(kind, id).is_none().then(|| FieldChange {
            field: DECLARED_BY.to_owned(),
            before: serde_json::Value::Null,
            after: owner.into(),
        })
    }

    /// Holds what is deleted, be it for what it hangs on, against what files declare.
    pub(super) fn may_delete(&mut self, kind: Kind, id: i64, name: &str) {
        if let Err(error) = self.may_change(kind, id, name) {
            let message = format!("would be deleted, but {error}");
            self.faults.push(Fault::at_path(kind.section(), message));
        }
    }

    /// Marks what the document names, and lets go or tells of what it names no more.
    pub(super) async fn settle_marks(&mut self, rest: Rest) -> Result<(), Error> {
        let Some(owner) = self.owner else {
            return Ok(());
        };
        let named = self.named.iter().copied();
        let new = named.filter(|(kind, id)| self.marks.owner(*kind, *id).is_none());
        declared::mark(self.on, new, owner).await?;
        if rest == Rest::Prune {
            return Ok(());
        }
        for (kind, id, name) in self.left_over(owner) {
            if rest == Rest::Release {
                declared::release(self.on, kind, id).await?;
                let change = FieldChange {
                    field: DECLARED_BY.to_owned(),
                    before: owner.into(),
                    after: serde_json::Value::Null,
                };
                self.report.add(Action::Update, kind, name, vec![change]);
            } else {
                let message = format!(
                    "{} '{name}' is not declared here any more, and stays",
                    kind.name()
                );
                self.report
                    .warnings
                    .push(Fault::at_path(kind.section(), message));
            }
        }
        Ok(())
    }

    /// What this file has declared and names no more.
    fn left_over(&self, owner: &str) -> Vec<(Kind, i64, String)> {
        let names = Names::of(&self.rows);
        let rows = &self.rows;
        let policies = rows.policies.iter();
        let all = rows
            .providers
            .iter()
            .map(|row| (Kind::Provider, row.id, row.name.clone()))
            .chain(
                rows.models
                    .iter()
                    .map(|row| (Kind::Model, row.id, row.name.clone())),
            )
            .chain(
                rows.associations
                    .iter()
                    .map(|row| (Kind::Association, row.id, names.association(row))),
            )
            .chain(policies.map(|row| (Kind::Policy, row.id, names.model(row.model_id))))
            .chain(
                rows.prices
                    .iter()
                    .map(|row| (Kind::Price, row.id, names.price(row))),
            )
            .chain(
                rows.keys
                    .iter()
                    .map(|row| (Kind::Key, row.id, row.name.clone())),
            );
        all.filter(|(kind, id, _)| {
            self.marks.owner(*kind, *id) == Some(owner) && !self.named.contains(&(*kind, *id))
        })
        .collect()
    }
}
