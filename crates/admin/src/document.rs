//! The configuration as one document: providers, models, associations, policies, prices and keys, by name.
//!
//! A document says nothing of ids and times, so that it means the same in every database. A section that it does not have
//! is one that it does not speak of. [`apply()`] compares a document with the database and makes it so, in one transaction
//! and by the rules of the admin API; a dry run does the very same and takes it back. Secrets are left out of documents,
//! unless they are references, or sealed under a passphrase.

mod apply;
mod diff;
mod fields;
mod place;
mod report;
mod rows;
mod sealing;
mod text;
mod workbook;

use std::collections::BTreeMap;

use serde_json::{Map, Value};

pub use self::apply::Rest;
pub(crate) use self::{
    apply::{Mode, Options, apply},
    place::{Fault, Place},
    report::Report,
    rows::{Rows, SecretsIn, is_reference},
    sealing::{Passphrase, open, sealer},
    text::{from_toml, from_value, json, parse_toml, toml},
    workbook::{read as read_workbook, template, write as write_workbook},
};

/// What stands in documents, in the order in which it must be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Kind {
    Provider,
    Model,
    Association,
    Policy,
    Price,
    Key,
}

impl Kind {
    pub(crate) const ALL: [Self; 6] = [
        Self::Provider,
        Self::Model,
        Self::Association,
        Self::Policy,
        Self::Price,
        Self::Key,
    ];

    /// The name of one.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Provider => "provider",
            Self::Model => "model",
            Self::Association => "association",
            Self::Policy => "policy",
            Self::Price => "price",
            Self::Key => "key",
        }
    }

    /// The kind of this name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// The name of its section.
    pub(crate) fn section(self) -> &'static str {
        match self {
            Self::Provider => "providers",
            Self::Model => "models",
            Self::Association => "associations",
            Self::Policy => "policies",
            Self::Price => "prices",
            Self::Key => "keys",
        }
    }
}

/// One object in a document.
#[derive(Debug)]
pub(crate) struct Entry {
    /// Where it stands.
    pub(crate) place: Place,
    /// What it says.
    pub(crate) fields: Map<String, Value>,
}

/// A configuration, or a part of one.
#[derive(Debug, Default)]
pub(crate) struct Document {
    sections: BTreeMap<Kind, Vec<Entry>>,
}

impl Document {
    /// Adds a section; it may be empty.
    pub(crate) fn insert(&mut self, kind: Kind, entries: Vec<Entry>) {
        self.sections.insert(kind, entries);
    }

    /// The entries of a section; `None` where the document does not speak of it.
    pub(crate) fn section(&self, kind: Kind) -> Option<&[Entry]> {
        self.sections.get(&kind).map(Vec::as_slice)
    }

    /// The same, to be changed; none where the document does not speak of it.
    pub(crate) fn section_mut(&mut self, kind: Kind) -> &mut [Entry] {
        self.sections
            .get_mut(&kind)
            .map_or(&mut [], Vec::as_mut_slice)
    }

    fn entries_mut(&mut self) -> impl Iterator<Item = &mut Entry> {
        self.sections.values_mut().flatten()
    }
}
