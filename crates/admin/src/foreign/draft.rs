//! A document that is being put together from a foreign file.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde_json::{Value, json};

use crate::{
    document::{Document, Entry, Fault, Kind, Place},
    input,
};

/// What has been found so far.
#[derive(Debug, Default)]
pub(super) struct Draft {
    entries: BTreeMap<Kind, Vec<Entry>>,
    taken: HashSet<(Kind, String)>,
    /// Where in its section the association of a model, a provider and its model stands.
    associations: HashMap<[String; 3], usize>,
    warnings: Vec<Fault>,
}

impl Draft {
    /// Adds an object that was found at `at`.
    pub(super) fn add(&mut self, kind: Kind, at: &str, fields: Value) {
        let place = Place::Elsewhere { at: at.to_owned() };
        let mut fields = input::fields(fields);
        fields.retain(|_, value| !value.is_null());
        self.entries
            .entry(kind)
            .or_default()
            .push(Entry { place, fields });
    }

    /// Tells of something at `at` that could not be carried over.
    pub(super) fn warn(&mut self, at: &str, message: impl Into<String>) {
        self.warnings.push(Fault::at_path(at, message));
    }

    /// The name, with a number behind it where another object of its kind has it.
    pub(super) fn unique(&mut self, kind: Kind, wanted: &str) -> String {
        let mut name = wanted.trim().to_owned();
        let mut number = 1;
        while !self.taken.insert((kind, name.clone())) {
            number += 1;
            name = format!("{} {number}", wanted.trim());
        }
        name
    }

    /// Whether no object of its kind has this name so far; now one has.
    pub(super) fn is_new(&mut self, kind: Kind, name: &str) -> bool {
        self.taken.insert((kind, name.to_owned()))
    }

    /// Adds a model, unless it is there already.
    pub(super) fn model(&mut self, at: &str, name: &str) {
        if self.is_new(Kind::Model, name) {
            self.add(Kind::Model, at, json!({"name": name}));
        }
    }

    /// Ties a model to a provider's model. Where they are tied already, the weights are added.
    pub(super) fn associate(&mut self, at: &str, names: [&str; 3], weight: i64, more: Value) {
        let names = names.map(str::to_owned);
        let section = self.entries.entry(Kind::Association).or_default();
        if let Some(old) = self
            .associations
            .get(&names)
            .and_then(|index| section.get_mut(*index))
        {
            let sum = old
                .fields
                .get("weight")
                .and_then(Value::as_i64)
                .unwrap_or(1)
                + weight;
            old.fields.insert("weight".to_owned(), sum.into());
            return;
        }
        self.associations.insert(names.clone(), section.len());
        let [model, provider, provider_model] = names;
        let mut fields = input::fields(json!({
            "model": model, "provider": provider, "provider_model": provider_model, "weight": weight,
        }));
        input::merge(&mut fields, input::fields(more));
        self.add(Kind::Association, at, Value::Object(fields));
    }

    /// Whether they are tied.
    pub(super) fn is_associated(&self, names: [&str; 3]) -> bool {
        self.associations.contains_key(&names.map(str::to_owned))
    }

    /// The document, and what it lacks. Sections that nothing was found for are not in it, so that pruning by it spares
    /// what the file knew nothing of.
    pub(super) fn finish(self) -> (Document, Vec<Fault>) {
        let mut document = Document::default();
        for (kind, entries) in self.entries {
            document.insert(kind, entries);
        }
        (document, self.warnings)
    }
}
