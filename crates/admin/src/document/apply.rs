//! Makes the database what a document says, or tells what that would change.

mod access;
mod declared;
mod models;
mod provider;

use std::{
    collections::{HashMap, HashSet, VecDeque},
    time::Duration,
};

use chrono::{DateTime, Utc};
use entities::{api_key, model, model_provider, price, provider as provider_table, routing_policy};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};
use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

pub use self::declared::Rest;
use super::{
    Document, Fault, Kind, Place, Report, Rows, fields,
    report::{Action, FieldChange},
    rows,
};
use crate::{
    AdminState, audit,
    auth::Caller,
    change,
    declared::{self as marked, Marks},
    error::Error,
    input,
    transaction::Transaction,
};

/// How many ids one statement deletes; engines bound their parameters.
const IDS_AT_ONCE: usize = 500;

/// What becomes of fields that a document does not name, of an object that is there already. New objects have defaults.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Mode {
    /// They stay as they are.
    #[default]
    Merge,
    /// They take their defaults, but for a provider's secrets, which stay.
    Replace,
}

/// How a document is applied.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Options<'a> {
    pub(crate) mode: Mode,
    /// Whether what a section does not name is deleted. Sections that are absent are left alone.
    pub(crate) prune: bool,
    /// Whether nothing is written.
    pub(crate) dry_run: bool,
    /// The file that declares what the document names; none for a document that is no more than an import.
    pub(crate) declared_by: Option<&'a str>,
    /// Of such a file, in the place of `prune`.
    pub(crate) rest: Rest,
}

impl Options<'_> {
    /// Whether what the document does not name of a kind is deleted. A file that has no such section declares none.
    fn prunes(&self, document: &Document, kind: Kind) -> bool {
        match self.declared_by {
            Some(_) => self.rest == Rest::Prune,
            None => self.prune && document.section(kind).is_some(),
        }
    }
}

/// Applies a document, wholly or not at all, and reports what that changes. It is live when this returns.
///
/// # Errors
/// [`Error::Document`] has everything that is wrong with the document.
pub(crate) async fn apply(
    state: &AdminState,
    caller: &Caller,
    document: &Document,
    options: Options<'_>,
) -> Result<Report, Error> {
    let change = state.change(caller).await?;
    let report = run(state, change.on(), document, options).await?;
    if options.dry_run || report.changes.is_empty() {
        change.take_back().await?;
    } else {
        let entry = match options.declared_by {
            Some(file) => audit::Entry::of("configuration", None, file).done_as("apply", &report),
            None => audit::Entry::of("configuration", None, "document").done_as("import", &report),
        };
        change.commit(entry).await?;
    }
    Ok(report)
}

async fn run(
    state: &AdminState,
    on: &Transaction,
    document: &Document,
    options: Options<'_>,
) -> Result<Report, Error> {
    let mut run = Run::new(state, on, options).await?;
    for kind in Kind::ALL {
        for entry in document.section(kind).unwrap_or_default() {
            let place = &entry.place;
            let outcome = match kind {
                Kind::Provider => run.provider(entry).await,
                Kind::Model => run.model(&entry.fields).await,
                Kind::Association => run.association(&entry.fields).await,
                Kind::Policy => run.policy(&entry.fields).await,
                Kind::Price => run.price(&entry.fields).await,
                Kind::Key => run.key(&entry.fields).await,
            };
            run.note(place, outcome)?;
        }
        if options.prunes(document, kind) {
            run.set_aside(kind);
        }
    }
    run.delete().await?;
    run.settle_marks(options.rest).await?;
    if run.faults.is_empty() {
        run.report.dry_run = options.dry_run;
        Ok(run.report)
    } else {
        Err(Error::Document(run.faults))
    }
}

/// The ids of what is to be deleted.
#[derive(Debug, Default)]
struct Gone {
    providers: HashSet<i64>,
    models: HashSet<i64>,
    associations: HashSet<i64>,
    policies: HashSet<i64>,
    prices: HashSet<i64>,
    keys: HashSet<i64>,
}

/// One application of a document.
struct Run<'a> {
    state: &'a AdminState,
    on: &'a Transaction,
    mode: Mode,
    /// The file that the document is, where it declares what it names.
    owner: Option<&'a str>,
    /// What files had declared before.
    marks: Marks,
    now: DateTime<Utc>,
    /// As they were before.
    rows: Rows,
    /// What the document names, new objects too.
    named: HashSet<(Kind, i64)>,
    /// What the document has named, by the names it is known by.
    seen: HashSet<(Kind, String)>,
    /// What can be referred to.
    providers: HashMap<String, i64>,
    models: HashMap<String, (i64, Duration)>,
    /// Those of the same names that no entry has been found for yet.
    associations: HashMap<(i64, i64, String), VecDeque<model_provider::Model>>,
    gone: Gone,
    report: Report,
    faults: Vec<Fault>,
}

impl<'a> Run<'a> {
    async fn new(
        state: &'a AdminState,
        on: &'a Transaction,
        options: Options<'a>,
    ) -> Result<Self, Error> {
        let rows = Rows::read(on).await?;
        let mut associations: HashMap<_, VecDeque<_>> = HashMap::new();
        for row in &rows.associations {
            let key = (row.model_id, row.provider_id, row.provider_model.clone());
            associations.entry(key).or_default().push_back(row.clone());
        }
        Ok(Self {
            state,
            on,
            mode: options.mode,
            owner: options.declared_by,
            marks: Marks::all(on).await?,
            now: change::now(),
            named: HashSet::new(),
            seen: HashSet::new(),
            providers: rows
                .providers
                .iter()
                .map(|row| (row.name.clone(), row.id))
                .collect(),
            models: rows
                .models
                .iter()
                .map(|row| (row.name.clone(), (row.id, crate::policies::timeout_of(row))))
                .collect(),
            associations,
            rows,
            gone: Gone::default(),
            report: Report::default(),
            faults: Vec::new(),
        })
    }

    /// Keeps what is wrong with an entry, so that all of it is told at once.
    fn note(&mut self, place: &Place, outcome: Result<(), Error>) -> Result<(), Error> {
        match outcome {
            Ok(()) => Ok(()),
            Err(Error::Invalid { field, reason }) => {
                self.faults.push(place.fault(&field, reason));
                Ok(())
            }
            Err(Error::Conflict { field, message }) => {
                self.faults
                    .push(place.fault(field.unwrap_or_default(), message));
                Ok(())
            }
            Err(other) => Err(other),
        }
    }

    /// A name may stand once in its section.
    fn once(&mut self, kind: Kind, field: &'static str, name: &str) -> Result<(), Error> {
        if self.seen.insert((kind, name.to_owned())) {
            Ok(())
        } else {
            Err(Error::invalid(field, "stands in the document twice"))
        }
    }

    /// What the document gives, on top of what there is where it is merged.
    fn complete(
        &self,
        old: Option<Map<String, Value>>,
        given: Map<String, Value>,
    ) -> Map<String, Value> {
        match (self.mode, old) {
            (Mode::Merge, Some(mut fields)) => {
                input::merge(&mut fields, given);
                fields
            }
            _ => given,
        }
    }

    /// Tells of what an entry does; true where there is something to write.
    ///
    /// # Errors
    /// It changes what another file declares.
    fn tell(
        &mut self,
        kind: Kind,
        name: &str,
        old: Option<i64>,
        mut changes: Vec<FieldChange>,
    ) -> Result<bool, Error> {
        let action = match old {
            None => Action::Create,
            Some(id) => {
                self.named.insert((kind, id));
                changes.extend(self.adoption(kind, id));
                if changes.is_empty() {
                    self.report.summary.unchanged += 1;
                    return Ok(false);
                }
                self.may_change(kind, id, name)?;
                Action::Update
            }
        };
        self.report.add(action, kind, name.to_owned(), changes);
        Ok(true)
    }

    fn differences(
        &self,
        before: Option<&Map<String, Value>>,
        after: &Map<String, Value>,
    ) -> Vec<FieldChange> {
        fields::changes(before.unwrap_or(&Map::new()), after)
    }

    fn model_id(&self, fields: &Map<String, Value>) -> Result<(String, i64, Duration), Error> {
        let name = fields::name(fields, "model")?;
        match self.models.get(&name) {
            Some((id, timeout)) => Ok((name, *id, *timeout)),
            None => Err(Error::invalid(
                "model",
                format!("there is no model '{name}'"),
            )),
        }
    }

    fn provider_id(&self, name: &str) -> Result<i64, Error> {
        self.providers
            .get(name)
            .copied()
            .ok_or_else(|| Error::invalid("provider", format!("there is no provider '{name}'")))
    }

    /// Sets aside for deletion what a section does not name, so that nothing after it can refer to it.
    fn set_aside(&mut self, kind: Kind) {
        let named = &self.named;
        let (marks, owner) = (&self.marks, self.owner);
        // Of a file only what it has declared itself.
        let is_ours = |id: i64| owner.is_none() || marks.owner(kind, id) == owner;
        let is_gone = |id: &i64| !named.contains(&(kind, *id)) && is_ours(*id);
        let gone = &mut self.gone;
        match kind {
            Kind::Provider => {
                let ids = self.rows.providers.iter().map(|row| row.id);
                gone.providers.extend(ids.filter(is_gone));
                self.providers.retain(|_, id| !gone.providers.contains(id));
            }
            Kind::Model => {
                let ids = self.rows.models.iter().map(|row| row.id);
                gone.models.extend(ids.filter(is_gone));
                self.models.retain(|_, (id, _)| !gone.models.contains(id));
            }
            Kind::Association => {
                let ids = self.rows.associations.iter().map(|row| row.id);
                gone.associations.extend(ids.filter(is_gone));
            }
            Kind::Policy => {
                let ids = self.rows.policies.iter().map(|row| row.id);
                gone.policies.extend(ids.filter(is_gone));
            }
            Kind::Price => {
                let ids = self.rows.prices.iter().map(|row| row.id);
                gone.prices.extend(ids.filter(is_gone));
            }
            Kind::Key => {
                let ids = self.rows.keys.iter().map(|row| row.id);
                gone.keys.extend(ids.filter(is_gone));
            }
        }
    }

    /// Deletes what was set aside, and what hangs on it.
    async fn delete(&mut self) -> Result<(), Error> {
        let Gone {
            providers,
            models,
            mut associations,
            mut policies,
            mut prices,
            keys,
        } = std::mem::take(&mut self.gone);
        let rows = &self.rows;
        let hanging = rows
            .associations
            .iter()
            .filter(|row| models.contains(&row.model_id) || providers.contains(&row.provider_id));
        associations.extend(hanging.map(|row| row.id));
        let hanging = rows
            .policies
            .iter()
            .filter(|row| models.contains(&row.model_id));
        policies.extend(hanging.map(|row| row.id));
        let hanging = rows
            .prices
            .iter()
            .filter(|row| row.provider_id.is_some_and(|id| providers.contains(&id)));
        prices.extend(hanging.map(|row| row.id));
        let names = Names::of(rows);
        let mut told = Vec::new();
        for row in rows
            .associations
            .iter()
            .filter(|row| associations.contains(&row.id))
        {
            told.push((Kind::Association, row.id, names.association(row)));
        }
        for row in rows
            .policies
            .iter()
            .filter(|row| policies.contains(&row.id))
        {
            told.push((Kind::Policy, row.id, names.model(row.model_id)));
        }
        for row in rows.prices.iter().filter(|row| prices.contains(&row.id)) {
            told.push((Kind::Price, row.id, names.price(row)));
        }
        for row in rows.keys.iter().filter(|row| keys.contains(&row.id)) {
            told.push((Kind::Key, row.id, row.name.clone()));
        }
        for row in rows.models.iter().filter(|row| models.contains(&row.id)) {
            told.push((Kind::Model, row.id, row.name.clone()));
        }
        for row in rows
            .providers
            .iter()
            .filter(|row| providers.contains(&row.id))
        {
            told.push((Kind::Provider, row.id, row.name.clone()));
        }
        delete::<model_provider::Entity, _>(self.on, model_provider::Column::Id, associations)
            .await?;
        delete::<routing_policy::Entity, _>(self.on, routing_policy::Column::Id, policies).await?;
        delete::<price::Entity, _>(self.on, price::Column::Id, prices).await?;
        delete::<api_key::Entity, _>(self.on, api_key::Column::Id, keys).await?;
        delete::<model::Entity, _>(self.on, model::Column::Id, models).await?;
        delete::<provider_table::Entity, _>(self.on, provider_table::Column::Id, providers).await?;
        for (kind, id, name) in told {
            self.may_delete(kind, id, &name);
            marked::release(self.on, kind, id).await?;
            self.report.add(Action::Delete, kind, name, Vec::new());
        }
        Ok(())
    }
}

async fn delete<E: EntityTrait, C: ColumnTrait>(
    on: &Transaction,
    id: C,
    ids: HashSet<i64>,
) -> Result<(), Error> {
    let ids: Vec<i64> = ids.into_iter().collect();
    for some in ids.chunks(IDS_AT_ONCE) {
        E::delete_many()
            .filter(id.is_in(some.iter().copied()))
            .exec(on)
            .await?;
    }
    Ok(())
}

/// What rows are called where they are told of.
struct Names<'a> {
    providers: HashMap<i64, &'a str>,
    models: HashMap<i64, &'a str>,
}

impl<'a> Names<'a> {
    fn of(rows: &'a Rows) -> Self {
        Self {
            providers: rows
                .providers
                .iter()
                .map(|row| (row.id, &*row.name))
                .collect(),
            models: rows.models.iter().map(|row| (row.id, &*row.name)).collect(),
        }
    }

    fn model(&self, id: i64) -> String {
        self.models.get(&id).copied().unwrap_or_default().to_owned()
    }

    fn association(&self, row: &model_provider::Model) -> String {
        let provider = self.providers.get(&row.provider_id).copied();
        association_name(
            &self.model(row.model_id),
            provider.unwrap_or_default(),
            &row.provider_model,
        )
    }

    fn price(&self, row: &price::Model) -> String {
        let provider = row.provider_id.and_then(|id| self.providers.get(&id));
        price_name(provider.copied(), &row.model_pattern)
    }
}

fn association_name(model: &str, provider: &str, provider_model: &str) -> String {
    format!("{model} -> {provider}/{provider_model}")
}

fn price_name(provider: Option<&str>, pattern: &str) -> String {
    format!("{}/{pattern}", provider.unwrap_or("*"))
}
