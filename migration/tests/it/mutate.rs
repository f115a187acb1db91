//! Every single change of a table that the description has words for.

use std::collections::BTreeMap;

use migration::{Aspect, Column, ForeignKey, Index, Kind, OnDelete, Table, Value};
use sea_orm::DbBackend;

/// One change of a table, and what the check must say about it.
pub(crate) struct Mutation {
    pub(crate) label: String,
    pub(crate) aspect: Aspect,
    pub(crate) column: Option<&'static str>,
    change: Box<dyn Fn(&mut Table)>,
}

/// A table changed in one or more ways.
pub(crate) struct Mutated {
    pub(crate) table: Table,
    pub(crate) mutations: Vec<Mutation>,
}

/// Each change of `table` by itself.
pub(crate) fn one_by_one(engine: DbBackend, table: &Table) -> Vec<Mutated> {
    mutations(engine, table)
        .into_iter()
        .map(|mutation| Mutated::new(table, vec![mutation]))
        .collect()
}

/// Changes of one kind at once, as all columns renamed: for engines on which making a table takes long.
pub(crate) fn kind_by_kind(engine: DbBackend, table: &Table) -> Vec<Mutated> {
    let mut kinds: BTreeMap<String, Vec<Mutation>> = BTreeMap::new();
    for mutation in mutations(engine, table) {
        kinds
            .entry(mutation.label.clone())
            .or_default()
            .push(mutation);
    }
    kinds
        .into_values()
        .map(|mutations| Mutated::new(table, mutations))
        .collect()
}

impl Mutated {
    fn new(original: &Table, mutations: Vec<Mutation>) -> Self {
        let mut table = original.clone();
        for mutation in &mutations {
            let before = table.clone();
            (mutation.change)(&mut table);
            assert_ne!(table, before, "{} changes nothing", mutation.label);
        }
        Self { table, mutations }
    }
}

/// All changes of `table` that `engine` can express.
fn mutations(engine: DbBackend, table: &Table) -> Vec<Mutation> {
    let mut all = Vec::new();
    for column in &table.columns {
        columns(table, column.name, &mut all);
        types(column, &mut all);
        defaults(column, &mut all);
        extra_keys(table, column, &mut all);
    }
    whole(table, &mut all);
    uniques(table, &mut all);
    indexes(engine, table, &mut all);
    foreign_keys(table, &mut all);
    all
}

fn push(
    all: &mut Vec<Mutation>,
    label: &str,
    aspect: Aspect,
    column: Option<&'static str>,
    change: impl Fn(&mut Table) + 'static,
) {
    all.push(Mutation {
        label: label.to_owned(),
        aspect,
        column,
        change: Box::new(change),
    });
}

fn column_of<'a>(table: &'a mut Table, name: &str) -> &'a mut Column {
    table
        .columns
        .iter_mut()
        .find(|column| column.name == name)
        .unwrap()
}

/// Takes `one` out of `keys`.
fn take<T: PartialEq>(keys: &mut Vec<T>, one: &T) -> T {
    let position = keys.iter().position(|key| key == one).unwrap();
    keys.remove(position)
}

/// An index that has every row.
fn plain(columns: Vec<&'static str>) -> Index {
    Index {
        columns,
        only: None,
    }
}

/// Dropped, renamed, NULL allowed or not.
fn columns(table: &Table, name: &'static str, all: &mut Vec<Mutation>) {
    if name != table.primary_key {
        push(all, "dropped", Aspect::Column, Some(name), move |table| {
            table.columns.retain(|column| column.name != name);
            table.unique.retain(|columns| !columns.contains(&name));
            table.indexes.retain(|index| !index.columns.contains(&name));
            table.foreign_keys.retain(|key| key.column != name);
        });
        push(all, "null", Aspect::Null, Some(name), move |table| {
            let column = column_of(table, name);
            column.nullable = !column.nullable;
        });
    }
    let new: &'static str = format!("new_{name}").leak();
    push(all, "renamed", Aspect::Column, Some(name), move |table| {
        rename(table, name, new);
    });
    push(all, "new name", Aspect::Column, Some(new), move |table| {
        rename(table, name, new);
    });
}

fn rename(table: &mut Table, old: &str, new: &'static str) {
    let change = |name: &mut &'static str| {
        if *name == old {
            *name = new;
        }
    };
    change(&mut column_of(table, old).name);
    change(&mut table.primary_key);
    table.unique.iter_mut().flatten().for_each(change);
    for index in &mut table.indexes {
        index.columns.iter_mut().for_each(change);
        if let Some(rest) = index.only.and_then(|it| it.strip_prefix(old)) {
            index.only = Some(format!("{new}{rest}").leak());
        }
    }
    table
        .foreign_keys
        .iter_mut()
        .for_each(|key| change(&mut key.column));
}

fn types(column: &Column, all: &mut Vec<Mutation>) {
    let name = column.name;
    for (number, other) in other_kinds(column.kind).into_iter().enumerate() {
        push(
            all,
            &format!("type {number}"),
            Aspect::Type,
            Some(name),
            move |table| {
                let column = column_of(table, name);
                column.kind = other;
                // The old default may not fit the new type, nor the reference, nor what a condition compares with.
                column.default = None;
                table.foreign_keys.retain(|key| key.column != name);
                for index in &mut table.indexes {
                    index.only = index.only.filter(|it| !it.starts_with(name));
                }
            },
        );
    }
}

/// Kinds that are another type on every engine, and that a unique key can still hold.
fn other_kinds(kind: Kind) -> Vec<Kind> {
    match kind {
        Kind::Id => vec![Kind::Integer, Kind::VarChar(20)],
        Kind::Ref => vec![Kind::Boolean, Kind::VarChar(20)],
        Kind::Integer => vec![Kind::BigInt, Kind::Boolean, Kind::Double],
        Kind::BigInt => vec![Kind::Integer, Kind::Double],
        Kind::VarChar(length) => vec![Kind::VarChar(length + 1), Kind::VarChar(length - 1)],
        Kind::Boolean => vec![Kind::Integer, Kind::BigInt],
        Kind::DateTime => vec![Kind::Date, Kind::BigInt],
        Kind::Date => vec![Kind::DateTime],
        Kind::Double => vec![Kind::BigInt],
        Kind::Json => vec![Kind::VarChar(500), Kind::Blob],
        Kind::Blob => vec![Kind::VarChar(500), Kind::Json],
    }
}

fn defaults(column: &Column, all: &mut Vec<Mutation>) {
    let Column {
        name,
        kind,
        default,
        ..
    } = *column;
    let other = match default {
        Some(Value::Integer(number)) => Value::Integer(number + 1),
        Some(Value::Boolean(flag)) => Value::Boolean(!flag),
        Some(Value::Text(_)) => Value::Text("other"),
        Some(Value::Now) => Value::Text("2026-01-01 00:00:00"),
        None => match kind {
            Kind::Id | Kind::Json | Kind::Blob => return, // MySQL takes no plain default there
            Kind::Ref | Kind::Integer | Kind::BigInt | Kind::Double => Value::Integer(7),
            Kind::VarChar(_) => Value::Text("x"),
            Kind::Boolean => Value::Boolean(true),
            Kind::DateTime => Value::Now,
            Kind::Date => Value::Text("2026-01-01"),
        },
    };
    push(
        all,
        "other default",
        Aspect::Default,
        Some(name),
        move |table| {
            column_of(table, name).default = Some(other);
        },
    );
    if default.is_some() {
        push(
            all,
            "no default",
            Aspect::Default,
            Some(name),
            move |table| {
                column_of(table, name).default = None;
            },
        );
    }
}

/// Unique, indexed, referring, where it was not.
fn extra_keys(table: &Table, column: &Column, all: &mut Vec<Mutation>) {
    let Column { name, kind, .. } = *column;
    let cannot_be_indexed = match kind {
        Kind::Json | Kind::Blob => true,
        Kind::VarChar(length) => length > 700, // four bytes each, 3072 in a key of InnoDB
        _ => false,
    };
    if name == table.primary_key || cannot_be_indexed {
        return;
    }
    let mut keys = table
        .unique
        .iter()
        .chain(table.indexes.iter().map(|index| &index.columns));
    if keys.all(|columns| columns != &[name]) {
        push(all, "extra unique", Aspect::Unique, None, move |table| {
            table.unique.push(vec![name]);
        });
        push(all, "extra index", Aspect::Index, None, move |table| {
            table.indexes.push(plain(vec![name]));
        });
    }
    if kind == Kind::Ref && table.foreign_keys.iter().all(|key| key.column != name) {
        push(
            all,
            "extra foreign key",
            Aspect::ForeignKey,
            None,
            move |table| {
                table.foreign_keys.push(ForeignKey {
                    column: name,
                    table: "providers",
                    on_delete: OnDelete::Cascade,
                });
            },
        );
    }
}

/// Changes of the table as a whole.
fn whole(table: &Table, all: &mut Vec<Mutation>) {
    push(
        all,
        "extra column",
        Aspect::Column,
        Some("extra"),
        |table| {
            table.columns.push(Column {
                name: "extra",
                kind: Kind::Integer,
                nullable: true,
                default: None,
            });
        },
    );
    let [first, second, ..] = table.columns.as_slice() else {
        unreachable!("a table of one column")
    };
    let can_be_key = !matches!(second.kind, Kind::Blob | Kind::Json);
    if first.kind != Kind::Id && can_be_key {
        let other = second.name;
        push(
            all,
            "other primary key",
            Aspect::PrimaryKey,
            None,
            move |table| {
                table.primary_key = other;
                table.indexes.retain(|index| index.columns != [other]);
            },
        );
    }
}

fn uniques(table: &Table, all: &mut Vec<Mutation>) {
    for columns in table.unique.clone() {
        let key = columns.clone();
        push(all, "unique gone", Aspect::Unique, None, move |table| {
            take(&mut table.unique, &key);
        });
        let key = columns.clone();
        push(
            all,
            "unique now plain",
            Aspect::Unique,
            None,
            move |table| {
                let key = take(&mut table.unique, &key);
                table.indexes.push(plain(key));
            },
        );
        push(all, "unique with id", Aspect::Unique, None, move |table| {
            let mut key = take(&mut table.unique, &columns);
            key.push("id");
            table.unique.push(key);
        });
    }
}

fn indexes(engine: DbBackend, table: &Table, all: &mut Vec<Mutation>) {
    for index in table.indexes.clone() {
        // MySQL makes the index of a foreign key by itself.
        let is_kept = engine == DbBackend::MySql
            && table
                .foreign_keys
                .iter()
                .any(|key| index.columns == [key.column]);
        let key = index.clone();
        if !is_kept {
            push(all, "index gone", Aspect::Index, None, move |table| {
                take(&mut table.indexes, &key);
            });
        }
        let key = index.clone();
        push(all, "index now unique", Aspect::Index, None, move |table| {
            let key = take(&mut table.indexes, &key);
            table.unique.push(key.columns);
        });
        let key = index.clone();
        push(all, "index with more", Aspect::Index, None, move |table| {
            let mut key = take(&mut table.indexes, &key);
            let mut names = table.columns.iter().map(|column| column.name);
            let more = names.find(|name| !key.columns.contains(name)).unwrap();
            key.columns.push(more);
            table.indexes.push(key);
        });
        if engine != DbBackend::MySql {
            let key = index.clone();
            push(all, "other rows", Aspect::Index, None, move |table| {
                let mut key = take(&mut table.indexes, &key);
                key.only = match key.only {
                    Some(_) => None,
                    None => Some(format!("{} IS NOT NULL", key.columns[0]).leak()),
                };
                table.indexes.push(key);
            });
        }
        if index.columns.len() > 1 {
            push(
                all,
                "index turned round",
                Aspect::Index,
                None,
                move |table| {
                    let mut key = take(&mut table.indexes, &index);
                    key.columns.rotate_right(1);
                    table.indexes.push(key);
                },
            );
        }
    }
}

fn foreign_keys(table: &Table, all: &mut Vec<Mutation>) {
    for ForeignKey {
        column,
        table: referred,
        ..
    } in table.foreign_keys.clone()
    {
        let key_of = move |table: &mut Table, change: &dyn Fn(&mut ForeignKey)| {
            let key = table
                .foreign_keys
                .iter_mut()
                .find(|key| key.column == column);
            change(key.unwrap());
        };
        push(
            all,
            "foreign key gone",
            Aspect::ForeignKey,
            None,
            move |table| {
                table.foreign_keys.retain(|key| key.column != column);
            },
        );
        push(all, "no action", Aspect::ForeignKey, None, move |table| {
            key_of(table, &|key| key.on_delete = OnDelete::NoAction);
        });
        let is_nullable = table
            .columns
            .iter()
            .any(|other| other.name == column && other.nullable);
        if is_nullable {
            push(all, "set null", Aspect::ForeignKey, None, move |table| {
                key_of(table, &|key| key.on_delete = OnDelete::SetNull);
            });
        }
        let other = if referred == "models" {
            "providers"
        } else {
            "models"
        };
        push(all, "other table", Aspect::ForeignKey, None, move |table| {
            key_of(table, &|key| key.table = other);
        });
    }
}
