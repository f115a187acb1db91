//! Databases of another edit of the schema, with rows of which it is known what becomes of them.

use std::collections::{BTreeMap, BTreeSet};

use migration::{Column, Kind, Schema, Table, VERSION_TABLE, Value};
use scratch::Scratch;
use sea_orm::DbBackend;
use serde_json::{Value as Json, json};

/// A row as it was written: column, value in the words of a dump, and its SQL.
pub(crate) type Row = BTreeMap<&'static str, (Json, String)>;

/// A database of another edit.
#[derive(Debug)]
pub(crate) struct Old {
    pub(crate) schema: Schema,
    pub(crate) rows: BTreeMap<&'static str, Vec<Row>>,
    /// What was edited, for messages.
    pub(crate) edits: Vec<String>,
}

/// What should become of each row, by table and primary key.
pub(crate) type Fates = BTreeMap<&'static str, BTreeMap<String, Fate>>;

/// What should become of a row.
#[derive(Debug, PartialEq)]
pub(crate) enum Fate {
    /// It is there.
    Kept {
        /// With these values; of columns that are not named, nothing is said.
        values: BTreeMap<&'static str, Json>,
        /// So many of which are not what they were.
        replaced: u64,
    },
    Dropped,
}

impl Old {
    /// Draws a few edits, and rows.
    pub(crate) fn draw(dice: &mut fastrand::Rng) -> Self {
        let mut old = Self {
            schema: migration::schema(),
            rows: BTreeMap::new(),
            edits: Vec::new(),
        };
        for _ in 0..dice.usize(1..6) {
            old.edit(dice);
        }
        for table in old.schema.tables.clone() {
            if matches!(
                table.name,
                "replicas" | "leases" | "log_periods" | "log_rollups" | "seaql_migrations"
            ) {
                continue;
            }
            let drawn = dice.i64(0..12);
            let parents = table.foreign_keys.iter().map(|key| {
                let is_unique = table.unique.iter().any(|it| it == &[key.column]);
                let is_needed = table
                    .columns
                    .iter()
                    .any(|it| it.name == key.column && !it.nullable);
                match old.rows.get(key.table).map_or(0, Vec::len) as i64 {
                    0 if is_needed => 0,
                    there if is_unique => there,
                    _ => drawn,
                }
            });
            let count = parents.fold(drawn, i64::min);
            let rows = (1..=count)
                .map(|number| row(&table, number, &old.rows, dice))
                .collect();
            old.rows.insert(table.name, rows);
        }
        old
    }

    fn edit(&mut self, dice: &mut fastrand::Rng) {
        let at = dice.usize(0..self.schema.tables.len());
        let name = self.schema.tables[at].name;
        let is_leaf = matches!(
            name,
            "audit_log" | "recorded_bodies" | "prices" | "leases" | "replicas"
        );
        let edit = match dice.u8(0..5) {
            0 if is_leaf => {
                self.schema.tables.remove(at);
                "made".to_owned()
            }
            1 => {
                let table = &mut self.schema.tables[at];
                table.columns.retain(|column| column.name != "old_column");
                let kind = dice
                    .choice([Kind::VarChar(20), Kind::BigInt, Kind::Blob])
                    .unwrap();
                table.columns.push(column("old_column", kind));
                "old_column dropped".to_owned()
            }
            2 => {
                let Some(column) = self.free_column(at, dice) else {
                    return;
                };
                let table = &mut self.schema.tables[at];
                let removed = table.columns.remove(column);
                table
                    .indexes
                    .retain(|index| !index.columns.contains(&removed.name));
                format!("{} added", removed.name)
            }
            _ => {
                let Some(at_column) = self.free_column(at, dice) else {
                    return;
                };
                let column = &mut self.schema.tables[at].columns[at_column];
                let Some((kind, default)) = other(column) else {
                    return;
                };
                let edit = format!("{} was {kind:?}", column.name);
                (column.kind, column.default) = (kind, default);
                column.nullable |= dice.bool();
                edit
            }
        };
        self.edits.push(format!("{name}: {edit}"));
    }

    /// A column that is no key of any kind.
    fn free_column(&self, at: usize, dice: &mut fastrand::Rng) -> Option<usize> {
        let table = &self.schema.tables[at];
        let free = |name: &str| {
            name != table.primary_key
                && !table.unique.iter().any(|it| it.contains(&name))
                && !table.foreign_keys.iter().any(|it| it.column == name)
        };
        let free: Vec<usize> = (0..table.columns.len())
            .filter(|&it| free(table.columns[it].name))
            .collect();
        dice.choice(free)
    }

    /// Makes the database.
    pub(crate) async fn make(&self, engine: DbBackend) -> Scratch {
        let scratch = Scratch::new(engine).await;
        for table in &self.schema.tables {
            for statement in migration::create_statements(engine, table) {
                scratch.run(&statement).await;
            }
        }
        let text = match engine {
            DbBackend::MySql => "VARCHAR(255)",
            _ => "VARCHAR",
        };
        scratch
            .run(&format!(
                "CREATE TABLE {VERSION_TABLE} (version {text} NOT NULL PRIMARY KEY, applied_at BIGINT NOT NULL)"
            ))
            .await;
        let version = &migration::names()[0];
        scratch
            .run(&format!(
                "INSERT INTO {VERSION_TABLE} VALUES ('{version}', 1)"
            ))
            .await;
        for table in &self.schema.tables {
            let rows = self.rows.get(table.name).map_or(&[][..], Vec::as_slice);
            if !rows.is_empty() {
                scratch.run(&insert(engine, table, rows)).await;
            }
        }
        scratch
    }

    /// The columns of a table that it does not have yet.
    pub(crate) fn added(&self, table: &str) -> BTreeSet<&'static str> {
        let names = |schema: &Schema| -> BTreeSet<&'static str> {
            let table = schema.tables.iter().find(|it| it.name == table).unwrap();
            table.columns.iter().map(|column| column.name).collect()
        };
        &names(&migration::schema()) - &names(&self.schema)
    }

    /// What should become of each row.
    pub(crate) fn fates(&self) -> Fates {
        let mut fates = BTreeMap::new();
        let mut gone: BTreeMap<&str, BTreeSet<i64>> = BTreeMap::new();
        for table in migration::schema().tables {
            let Some(rows) = self.rows.get(table.name) else {
                continue;
            };
            let mut of_table = BTreeMap::new();
            for row in rows {
                let key = row[table.primary_key]
                    .0
                    .to_string()
                    .trim_matches('"')
                    .to_owned();
                let fate = fate(&table, row, &gone);
                if fate == Fate::Dropped
                    && let Some(id) = row.get("id").and_then(|it| it.0.as_i64())
                {
                    gone.entry(table.name).or_default().insert(id);
                }
                of_table.insert(key, fate);
            }
            fates.insert(table.name, of_table);
        }
        fates
    }
}

/// All rows of a table in one statement; each has every column.
fn insert(engine: DbBackend, table: &Table, rows: &[Row]) -> String {
    let quote = match engine {
        DbBackend::MySql => "`",
        _ => "\"",
    };
    let names: Vec<String> = rows[0]
        .keys()
        .map(|name| format!("{quote}{name}{quote}"))
        .collect();
    let spelt = |sql: &str| match engine {
        DbBackend::Postgres => sql.replace("X'", "'\\x"),
        DbBackend::MySql => sql.replace("+00:00'", "'"),
        _ => sql.to_owned(),
    };
    let rows: Vec<String> = rows
        .iter()
        .map(|row| {
            let values: Vec<String> = row.values().map(|(_, sql)| spelt(sql)).collect();
            format!("({})", values.join(", "))
        })
        .collect();
    format!(
        "INSERT INTO {} ({}) VALUES {}",
        table.name,
        names.join(", "),
        rows.join(", ")
    )
}

/// The rules as a person would tell them.
fn fate(table: &Table, row: &Row, gone: &BTreeMap<&str, BTreeSet<i64>>) -> Fate {
    let (mut values, mut replaced) = (BTreeMap::new(), 0);
    for column in &table.columns {
        let default = || match column.default {
            Some(Value::Integer(number)) => Some(Some(json!(number))),
            Some(Value::Boolean(flag)) => Some(Some(json!(flag))),
            Some(Value::Text(word)) => Some(Some(json!(word))),
            Some(Value::Now) => Some(None), // some time
            None if column.nullable => Some(Some(Json::Null)),
            None => None,
        };
        let value = match row.get(column.name) {
            None => default(),
            Some((Json::Null, _)) if column.nullable => Some(Some(Json::Null)),
            Some((value, _)) => match fitting(value, column.kind) {
                Some(value) => Some(Some(value)),
                None => {
                    replaced += 1;
                    default()
                }
            },
        };
        match value {
            None => return Fate::Dropped,
            Some(Some(value)) => drop(values.insert(column.name, value)),
            Some(None) => {}
        }
    }
    for key in &table.foreign_keys {
        let parent = values[key.column].as_i64();
        if parent.is_some_and(|id| gone.get(key.table).is_some_and(|ids| ids.contains(&id))) {
            return Fate::Dropped;
        }
    }
    Fate::Kept { values, replaced }
}

fn fitting(value: &Json, kind: Kind) -> Option<Json> {
    match (kind, value) {
        (_, Json::Null) => None,
        (Kind::Integer, Json::Number(number)) => {
            let number = number.as_i64()?;
            (i64::from(i32::MIN)..=i64::from(i32::MAX))
                .contains(&number)
                .then(|| json!(number))
        }
        (Kind::VarChar(length), Json::String(text)) => {
            (text.chars().count() <= usize::from(length)).then(|| json!(text))
        }
        (Kind::Boolean, Json::Number(number)) => match number.as_i64()? {
            0 => Some(json!(false)),
            1 => Some(json!(true)),
            _ => None,
        },
        (Kind::Double, Json::Number(number)) => Some(json!(number.as_f64()?)),
        (_, value) => Some(value.clone()),
    }
}

/// What a column may have been, and its default then.
fn other(column: &Column) -> Option<(Kind, Option<Value>)> {
    let default = column.default;
    match column.kind {
        Kind::BigInt => Some((Kind::Integer, default)),
        Kind::Integer => Some((Kind::BigInt, default)),
        Kind::VarChar(length @ 30..=500) => Some((Kind::VarChar(length * 2), default)),
        Kind::VarChar(length) if length > 500 => Some((Kind::VarChar(length / 2), default)),
        Kind::Boolean => Some((Kind::BigInt, default.map(|_| Value::Integer(1)))),
        Kind::Double => Some((Kind::Integer, None)),
        _ => None,
    }
}

fn column(name: &'static str, kind: Kind) -> Column {
    Column {
        name,
        kind,
        nullable: true,
        default: None,
    }
}

fn row(
    table: &Table,
    number: i64,
    rows: &BTreeMap<&'static str, Vec<Row>>,
    dice: &mut fastrand::Rng,
) -> Row {
    let mut row = Row::new();
    for column in &table.columns {
        let is_key = column.name == table.primary_key
            || table.unique.iter().any(|it| it.contains(&column.name));
        let parent = table
            .foreign_keys
            .iter()
            .find(|key| key.column == column.name);
        let value = if let Some(key) = parent {
            let parents = rows.get(key.table).map_or(0, Vec::len) as i64;
            match parents {
                // `prices` alone has references that may be NULL; without a parent no other row can be.
                0 => Json::Null,
                _ if is_key => json!((number - 1) % parents + 1),
                _ => json!(dice.i64(1..=parents)),
            }
        } else if column.nullable && !is_key && dice.u8(0..4) == 0 {
            Json::Null
        } else {
            value(column, is_key.then_some(number), dice)
        };
        let sql = sql(&value, column.kind);
        row.insert(column.name, (value, sql));
    }
    row
}

fn value(column: &Column, key: Option<i64>, dice: &mut fastrand::Rng) -> Json {
    match (column.kind, key) {
        (Kind::VarChar(_), Some(number)) => json!(format!("key {number} 'é'")),
        (Kind::Date, number) => json!(format!("2026-02-{:02}", number.unwrap_or(dice.i64(1..28)))),
        (_, Some(number)) => json!(number),
        (Kind::Integer, _) => json!(dice.i32(..)),
        (Kind::Id | Kind::Ref | Kind::BigInt, _) => {
            json!(dice.choice([
                0,
                1,
                -1,
                i64::from(i32::MAX),
                1 << 40,
                i64::MAX,
                i64::MIN + 1
            ]))
        }
        (Kind::VarChar(length), _) => {
            let length = dice.choice([0, 1, length / 2, length]).unwrap();
            json!("ä".repeat(usize::from(length)))
        }
        (Kind::Boolean, _) => json!(dice.bool()),
        // A key may expire later than 32 bits of seconds reach.
        (Kind::DateTime, _) => json!(format!(
            "{}-02-01T10:11:12.{:06}Z",
            dice.choice([2026, 2099]).unwrap(),
            dice.u32(1..999) * 1000 + 1
        )),
        (Kind::Double, _) => json!(dice.choice([0.1, 1.0 / 3.0, -2.5e-9, 123_456_789.123_456])),
        (Kind::Json, _) => json!([dice.choice([
            json!(null),
            json!({"a": [1, "x'y"]}),
            json!("5"),
            json!(1.5)
        ])]),
        (Kind::Blob, _) => json!(dice.choice(["", "AAH/", "aGVsbG8="]).unwrap()),
    }
}

/// In the words of SQLite; what other engines want otherwise is replaced.
fn sql(value: &Json, kind: Kind) -> String {
    let text = |text: &str| format!("'{}'", text.replace('\'', "''"));
    match (kind, value) {
        (_, Json::Null) => "NULL".to_owned(),
        (Kind::DateTime, Json::String(time)) => {
            text(&time.replace('T', " ").replace('Z', "+00:00"))
        }
        (Kind::Json, Json::Array(inner)) => text(&inner[0].to_string()),
        (Kind::Blob, Json::String(bytes)) => match bytes.as_str() {
            "" => "X''".to_owned(),
            "AAH/" => "X'0001ff'".to_owned(),
            _ => "X'68656c6c6f'".to_owned(),
        },
        (_, Json::String(value)) => text(value),
        (_, value) => value.to_string(),
    }
}
