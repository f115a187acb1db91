//! What holds of any table, also of such as the schema does not have at present: nothing goes without being told of.

use migration::{ForeignKey, LiveColumn};
use proptest::prelude::*;

use super::*;

const ENGINES: [DbBackend; 3] = [DbBackend::Sqlite, DbBackend::Postgres, DbBackend::MySql];
const NAMES: [&str; 4] = ["a", "b", "c", "d"];
/// Rows of the table that is referred to have ids from 0; the others are not there.
const PARENTS: i64 = 3;

fn kind() -> impl Strategy<Value = Kind> {
    prop::sample::select(vec![
        Kind::Integer,
        Kind::BigInt,
        Kind::VarChar(3),
        Kind::Boolean,
        Kind::DateTime,
        Kind::Date,
        Kind::Double,
        Kind::Json,
    ])
}

fn rule() -> impl Strategy<Value = OnDelete> {
    prop::sample::select(vec![
        OnDelete::Cascade,
        OnDelete::SetNull,
        OnDelete::NoAction,
    ])
}

/// A column, and what becomes of its rows without those they refer to, if they refer to any.
fn column(name: &'static str) -> impl Strategy<Value = (Column, Option<OnDelete>)> {
    (
        kind(),
        any::<bool>(),
        any::<bool>(),
        prop::option::of(rule()),
    )
        .prop_map(move |(kind, nullable, has_default, rule)| {
            let default = match kind {
                _ if rule.is_some() => None,
                Kind::Integer | Kind::BigInt => Some(Value::Integer(7)),
                Kind::VarChar(_) => Some(Value::Text("n/a")),
                Kind::Boolean => Some(Value::Boolean(true)),
                _ => None,
            };
            let column = Column {
                name,
                kind: if rule.is_some() { Kind::Ref } else { kind },
                nullable,
                default: default.filter(|_| has_default),
            };
            (column, rule)
        })
}

fn table() -> impl Strategy<Value = Table> {
    let unique = prop::option::of(prop::sample::select(NAMES.to_vec()));
    (NAMES.map(column), unique).prop_map(|(columns, unique)| {
        let id = Column {
            name: "id",
            kind: Kind::Id,
            nullable: false,
            default: None,
        };
        let keys = columns.iter().filter_map(|(column, rule)| {
            rule.map(|on_delete| ForeignKey {
                column: column.name,
                table: "parents",
                on_delete,
            })
        });
        Table {
            name: "children",
            primary_key: "id",
            unique: unique.map(|name| vec![name]).into_iter().collect(),
            indexes: Vec::new(),
            foreign_keys: keys.collect(),
            columns: std::iter::once(id)
                .chain(columns.iter().map(|(column, _)| column.clone()))
                .collect(),
        }
    })
}

/// One in three of which fits what, more or less.
fn raw() -> impl Strategy<Value = Option<Raw>> {
    let texts = [
        "0",
        "1",
        "2",
        "9",
        "-40000000000",
        "1.5",
        "true",
        "",
        "long text",
        "é",
        "2026-03-01",
        "2026-03-01 10:11:12",
        "{}",
    ];
    prop_oneof![
        1 => Just(None),
        6 => prop::sample::select(texts.to_vec()).prop_map(|text| Some(Raw::Text(text.to_owned()))),
        1 => Just(Some(Raw::Bytes(vec![0xff]))),
    ]
}

/// As it was: without some of the columns, with one that is no more, and nothing unique but the id.
fn source(there: [bool; 4]) -> LiveTable {
    let names = NAMES.into_iter().zip(there).filter(|(_, there)| *there);
    let names = ["id"].into_iter().chain(names.map(|(name, _)| name));
    LiveTable {
        name: "children".to_owned(),
        columns: names
            .chain(["old"])
            .map(|name| LiveColumn {
                name: name.to_owned(),
                kind: "text".to_owned(),
            })
            .collect(),
        primary_key: vec!["id".to_owned()],
        unique: Vec::new(),
    }
}

/// The values of a row that are not what they were.
fn changed(fitting: &Fitting<'_>, row: &[Option<Raw>], cells: &[Cell]) -> u64 {
    let columns = fitting.columns.iter().zip(cells);
    let is_changed = |((column, position), cell): &(&(&Column, usize), &Cell)| match &row[*position]
    {
        None => !cell.is_null(),
        Some(raw) => convert(raw.clone(), column.kind, fitting.engine).as_ref() != Ok(*cell),
    };
    columns.filter(is_changed).count() as u64
}

fn sum<'a>(examples: impl Iterator<Item = &'a crate::Examples>) -> u64 {
    examples.map(|it| it.count).sum()
}

proptest! {
    #[test]
    fn what_is_not_what_it_was_is_told(
        table in table(),
        there in any::<[bool; 4]>(),
        rows in prop::collection::vec(prop::collection::vec(raw(), 5), 0..12),
        engine in prop::sample::select(ENGINES.to_vec()),
    ) {
        let source = source(there);
        let parents = || Kept::from([("parents", (0..PARENTS).collect())]);
        let mut fitting = Fitting::new(&table, &source, engine, Misfits::Report);
        let (mut report, mut kept) = (fitting.report(), parents());
        let (mut arrived, mut changes, mut held) = (0, 0, 0);
        for (number, cells) in rows.iter().enumerate() {
            let mut row = vec![Some(Raw::Text(number.to_string()))];
            row.extend(cells[..source.columns.len() - 1].iter().cloned());
            held += u64::from(row.last().is_some_and(Option::is_some));
            let key = number.to_string();
            let fitted = fitting.fit(&key, &row, &mut kept, &mut report).unwrap();
            let changed = fitted.as_ref().map(|cells| changed(&fitting, &row, cells));
            if let Some(cells) = &fitted {
                let dangling = table.foreign_keys.iter().any(|key| {
                    let cell = fitting.columns.iter().zip(cells).find(|((it, _), _)| it.name == key.column);
                    matches!(cell, Some((_, Cell::Id(id))) if !(0..PARENTS).contains(id))
                });
                prop_assert!(!dangling, "{cells:?} refers to a row that is not there");
            }
            arrived += u64::from(changed.is_some());
            changes += changed.unwrap_or(0);

            // What would be told of is what is refused where nothing may be lost.
            let mut strict = Fitting::new(&table, &source, engine, Misfits::Refuse);
            let refused = strict.fit(&key, &row, &mut parents(), &mut strict.report());
            let doubled = matches!(refused, Ok(Some(_))) && fitted.is_none();
            prop_assert!(doubled || refused.is_err() == (changed != Some(0)), "{row:?}: {changed:?}, {refused:?}");
        }
        prop_assert_eq!(report.found, rows.len() as u64);
        prop_assert_eq!(report.kept, arrived);
        prop_assert_eq!(sum(report.dropped_rows.values()), report.found - arrived, "{}", report);
        prop_assert_eq!(sum(report.replaced_values.values()), changes, "{}", report);
        prop_assert_eq!(report.dropped_columns.get("old"), Some(&held));
        prop_assert_eq!(report.is_whole(), arrived == report.found && changes + held == 0);
        for (column, there) in NAMES.iter().zip(there) {
            prop_assert_eq!(report.added_columns.contains_key(*column), !there);
        }
    }
}
