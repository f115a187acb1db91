//! Objects that a file declares: which they are, and that nobody changes them elsewhere.
//!
//! A mark is a row of its own beside the object's. It is read in the transaction of every change, under the lock that makes
//! changes go one after the other, so that no change slips between a declaration and its marks.

use std::collections::HashMap;

use entities::declared_object::{ActiveModel, Column, Entity, Model};
use entities::{model_provider, price, routing_policy};
use sea_orm::{
    ActiveValue::{NotSet, Set},
    ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QuerySelect, Select,
};

use crate::{change, document::Kind, error::Error};

/// How many rows one statement names; engines bound their parameters.
const AT_ONCE: usize = 200;

/// By what each declared object is declared.
#[derive(Debug, Default)]
pub(crate) struct Marks(HashMap<(Kind, i64), String>);

impl Marks {
    /// All of them.
    pub(crate) async fn all(on: &impl ConnectionTrait) -> Result<Self, Error> {
        Self::read(on, Entity::find()).await
    }

    /// Those of some objects of a kind.
    pub(crate) async fn of(
        on: &impl ConnectionTrait,
        kind: Kind,
        ids: impl IntoIterator<Item = i64>,
    ) -> Result<Self, Error> {
        let ids: Vec<i64> = ids.into_iter().collect();
        if ids.is_empty() {
            return Ok(Self::default());
        }
        let marked = Entity::find()
            .filter(Column::Kind.eq(kind.name()))
            .filter(Column::ObjectId.is_in(ids));
        Self::read(on, marked).await
    }

    async fn read(on: &impl ConnectionTrait, marked: Select<Entity>) -> Result<Self, Error> {
        let rows = marked.all(on).await?;
        let known = |row: Model| Some(((Kind::named(&row.kind)?, row.object_id), row.declared_by));
        Ok(Self(rows.into_iter().filter_map(known).collect()))
    }

    /// What declares an object; none where nothing does.
    pub(crate) fn owner(&self, kind: Kind, id: i64) -> Option<&str> {
        self.0.get(&(kind, id)).map(String::as_str)
    }

    /// The same, to be kept.
    pub(crate) fn shown(&self, kind: Kind, id: i64) -> Option<String> {
        self.owner(kind, id).map(str::to_owned)
    }
}

/// What declares one object.
pub(crate) async fn owner(
    on: &impl ConnectionTrait,
    kind: Kind,
    id: i64,
) -> Result<Option<String>, Error> {
    Ok(Marks::of(on, kind, [id]).await?.shown(kind, id))
}

/// That one is changed in its file, and where.
pub(crate) fn refusal(kind: Kind, name: &str, owner: &str) -> Error {
    Error::Conflict {
        field: None,
        message: format!(
            "{} '{name}' is declared by {owner}: change it there and apply it",
            kind.name()
        ),
    }
}

/// # Errors
/// The object is declared by a file.
pub(crate) async fn must_be_free(
    on: &impl ConnectionTrait,
    kind: Kind,
    id: i64,
    name: &str,
) -> Result<(), Error> {
    match owner(on, kind, id).await? {
        None => Ok(()),
        Some(owner) => Err(refusal(kind, name, &owner)),
    }
}

/// # Errors
/// Something is declared that would go with this provider or model.
pub(crate) async fn nothing_may_hang_on(
    on: &impl ConnectionTrait,
    kind: Kind,
    id: i64,
    name: &str,
) -> Result<(), Error> {
    let hanging = match kind {
        Kind::Provider => vec![
            (
                Kind::Association,
                associations(on, model_provider::Column::ProviderId, id).await?,
            ),
            (
                Kind::Price,
                price::Entity::find()
                    .select_only()
                    .column(price::Column::Id)
                    .filter(price::Column::ProviderId.eq(id))
                    .into_tuple()
                    .all(on)
                    .await?,
            ),
        ],
        Kind::Model => vec![
            (
                Kind::Association,
                associations(on, model_provider::Column::ModelId, id).await?,
            ),
            (
                Kind::Policy,
                routing_policy::Entity::find()
                    .select_only()
                    .column(routing_policy::Column::Id)
                    .filter(routing_policy::Column::ModelId.eq(id))
                    .into_tuple()
                    .all(on)
                    .await?,
            ),
        ],
        _ => Vec::new(),
    };
    for (of, ids) in hanging {
        let marks = Marks::of(on, of, ids).await?;
        if let Some(owner) = marks.0.values().next() {
            let (kind, of) = (kind.name(), of.name());
            return Err(Error::Conflict {
                field: None,
                message: format!(
                    "{kind} '{name}' has a {of} that is declared by {owner}: take it out there first"
                ),
            });
        }
    }
    Ok(())
}

async fn associations(
    on: &impl ConnectionTrait,
    column: model_provider::Column,
    id: i64,
) -> Result<Vec<i64>, Error> {
    Ok(model_provider::Entity::find()
        .select_only()
        .column(model_provider::Column::Id)
        .filter(column.eq(id))
        .into_tuple()
        .all(on)
        .await?)
}

/// Marks objects that are not marked yet.
pub(crate) async fn mark(
    on: &impl ConnectionTrait,
    objects: impl IntoIterator<Item = (Kind, i64)>,
    owner: &str,
) -> Result<(), Error> {
    let now = change::now();
    let rows: Vec<ActiveModel> = objects
        .into_iter()
        .map(|(kind, id)| ActiveModel {
            id: NotSet,
            kind: Set(kind.name().to_owned()),
            object_id: Set(id),
            declared_by: Set(owner.to_owned()),
            created_at: Set(now),
        })
        .collect();
    for some in rows.chunks(AT_ONCE) {
        Entity::insert_many(some.to_vec())
            .exec_without_returning(on)
            .await?;
    }
    Ok(())
}

/// Takes an object's mark away.
pub(crate) async fn release(on: &impl ConnectionTrait, kind: Kind, id: i64) -> Result<(), Error> {
    Entity::delete_many()
        .filter(Column::Kind.eq(kind.name()))
        .filter(Column::ObjectId.eq(id))
        .exec(on)
        .await?;
    Ok(())
}
