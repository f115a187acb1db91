//! Declaring objects by a file: what `gateway apply` and a start with such a file do.

use std::fmt;

use access::KeyHash;
use secrecy::ExposeSecret;
use serde_json::{Map, Value};

pub use crate::document::Rest;
use crate::{
    AdminState,
    auth::{Caller, Role},
    document::{self, Document, Kind, Mode, Options, Report},
    error::Error,
    input,
};

/// The name that files have in the audit log.
const ACTOR: &str = "apply";

/// A key that is at least so long is recognised by its first characters; of a shorter one they would tell too much.
const TELLING_CHARS: usize = 24;
const SHOWN_CHARS: usize = 12;

/// How a file is applied.
#[derive(Debug, Clone, Copy)]
pub struct Declaration<'a> {
    /// What its objects are declared by from then on, 1 to 100 characters: the file's name, as a rule.
    pub declared_by: &'a str,
    /// What becomes of objects that it declared before and names no more.
    pub rest: Rest,
    /// Only tell what would change.
    pub dry_run: bool,
}

/// What declaring did, or would do. Its display is a diff of a line for each object and field, secrets masked, and a last
/// line that sums it up.
#[derive(Debug)]
pub struct Declared(Report);

impl Declared {
    /// Whether anything changes.
    #[must_use]
    pub fn has_changes(&self) -> bool {
        !self.0.changes.is_empty()
    }

    /// What does not stop it, but should be known.
    pub fn warnings(&self) -> impl Iterator<Item = String> {
        self.0.warnings.iter().map(ToString::to_string)
    }
}

impl fmt::Display for Declared {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(out)
    }
}

/// Why nothing was declared. Its display has a line for each fault of the file.
#[derive(Debug)]
pub struct NotDeclared(Error);

impl fmt::Display for NotDeclared {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(out)?;
        if let Error::Document(faults) = &self.0 {
            for fault in faults {
                write!(out, "\n  {fault}")?;
            }
        }
        Ok(())
    }
}

impl std::error::Error for NotDeclared {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source()
    }
}

/// The names of the sections that a file may have.
pub fn sections() -> impl Iterator<Item = &'static str> {
    ["version"]
        .into_iter()
        .chain(Kind::ALL.into_iter().map(Kind::section))
}

/// Makes the database what a TOML file says of the objects that it names, wholly or not at all, and marks them as declared
/// by it. Fields that it does not name take their defaults, but for a provider's secrets, which stay as they are.
///
/// # Errors
/// [`NotDeclared`] has everything that is wrong with the file, or why the database did not take it.
pub async fn declare(
    state: &AdminState,
    sections: toml::Table,
    declaration: Declaration<'_>,
) -> Result<Declared, NotDeclared> {
    apply(state, sections, declaration)
        .await
        .map(Declared)
        .map_err(NotDeclared)
}

async fn apply(
    state: &AdminState,
    sections: toml::Table,
    declaration: Declaration<'_>,
) -> Result<Report, Error> {
    let name = input::name("declared_by", Some(declaration.declared_by.to_owned()))?;
    let mut document = document::from_toml(sections)?;
    hash_keys(&mut document, state)?;
    let caller = Caller {
        name: ACTOR.to_owned(),
        role: Role::Admin,
        ip: None,
        request_id: None,
    };
    let options = Options {
        mode: Mode::Replace,
        dry_run: declaration.dry_run,
        declared_by: Some(&name),
        rest: declaration.rest,
        prune: false,
    };
    document::apply(state, &caller, &document, options).await
}

/// Puts hashes in the places of client keys that are given themselves, or by reference. They go no further.
fn hash_keys(document: &mut Document, state: &AdminState) -> Result<(), Error> {
    let mut faults = Vec::new();
    for entry in document.section_mut(Kind::Key) {
        if let Err(reason) = hash_key(&mut entry.fields, state) {
            faults.push(entry.place.fault("key", reason));
        }
    }
    if faults.is_empty() {
        Ok(())
    } else {
        Err(Error::Document(faults))
    }
}

fn hash_key(fields: &mut Map<String, Value>, state: &AdminState) -> Result<(), String> {
    let given = match fields.remove("key") {
        None => return Ok(()),
        Some(Value::String(given)) if !given.is_empty() => given,
        Some(_) => return Err("must be a text that is not empty".to_owned()),
    };
    if fields.contains_key("key_hash") {
        return Err("must not stand beside 'key_hash'".to_owned());
    }
    let opened = document::is_reference(&given).then(|| state.catalog.secrets().open(&given));
    let opened = opened.transpose().map_err(|error| error.to_string())?;
    let key = opened
        .as_ref()
        .map_or(given.as_str(), ExposeSecret::expose_secret)
        .trim();
    if key.is_empty() {
        return Err("is empty".to_owned());
    }
    fields.insert("key_hash".to_owned(), KeyHash::of(key).to_hex().into());
    if key.chars().count() >= TELLING_CHARS {
        let shown: String = key.chars().take(SHOWN_CHARS).collect();
        fields.insert("key_prefix".to_owned(), shown.into());
    }
    Ok(())
}
