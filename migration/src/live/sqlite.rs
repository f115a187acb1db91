//! Reading the tables of an SQLite file.

use sea_orm::{ConnectionTrait, DbBackend, DbErr, QueryResult};

use super::{Tables, optional, rows, text};
use crate::shape::{ColumnShape, ForeignKeyShape, IndexShape, Shape, spell_default};

const TABLES: &str = "
    SELECT name, sql FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'";
const COLUMNS: &str = r#"
    SELECT m.name AS table_name, c.name AS name, c.type AS type, c."notnull" <> 0 AS is_not_null,
           c.dflt_value AS default_value, c.pk AS key_position, c.hidden <> 0 AS is_generated
    FROM sqlite_master m JOIN pragma_table_xinfo(m.name) c WHERE m.type = 'table' ORDER BY m.name, c.cid"#;
const INDEXES: &str = r#"
    SELECT m.name AS table_name, i.name AS index_name, i."unique" <> 0 AS is_unique, i.origin AS origin, i.partial <> 0 AS is_partial,
           k.name AS column_name, k."desc" <> 0 AS is_descending, k.coll AS collation, x.sql AS sql
    FROM sqlite_master m JOIN pragma_index_list(m.name) i JOIN pragma_index_xinfo(i.name) k
         LEFT JOIN sqlite_master x ON x.type = 'index' AND x.name = i.name
    WHERE m.type = 'table' AND k.key ORDER BY m.name, i.name, k.seqno"#;
const FOREIGN_KEYS: &str = r#"
    SELECT m.name AS table_name, k.id AS id, k."table" AS referred_table, k."from" AS column_name,
           coalesce(k."to", 'id') AS referred_column, k.on_delete AS on_delete, k.on_update AS on_update
    FROM sqlite_master m JOIN pragma_foreign_key_list(m.name) k WHERE m.type = 'table' ORDER BY m.name, k.id, k.seq"#;

pub(super) async fn read(db: &impl ConnectionTrait) -> Result<Tables, DbErr> {
    let mut tables = Tables::new();
    let mut counting = Vec::new();
    for row in rows(db, TABLES).await? {
        let name = text(&row, "name")?;
        if has_word(&text(&row, "sql")?, "AUTOINCREMENT") {
            counting.push(name.clone());
        }
        tables.insert(name.clone(), Shape::empty(name));
    }
    for row in rows(db, COLUMNS).await? {
        if let Some(table) = tables.get_mut(&text(&row, "table_name")?) {
            let is_counting = counting.contains(&table.name);
            add_column(table, &row, is_counting)?;
        }
    }
    add_indexes(&mut tables, db).await?;
    add_foreign_keys(&mut tables, db).await?;
    Ok(tables)
}

fn add_column(table: &mut Shape, row: &QueryResult, is_counting: bool) -> Result<(), DbErr> {
    let name = text(row, "name")?;
    let mut kind = text(row, "type")?.to_uppercase();
    let is_key = row.try_get::<i64>("", "key_position")? > 0;
    // The row id under another name: never NULL, whatever was declared.
    let is_row_id = is_key && kind == "INTEGER";
    if is_row_id && is_counting {
        kind.push_str(" AUTOINCREMENT");
    }
    if row.try_get("", "is_generated")? {
        kind.push_str(" GENERATED");
    }
    if is_key {
        table.primary_key.push(name.clone());
    }
    let default = optional(row, "default_value")?
        .and_then(|reported| spell_default(DbBackend::Sqlite, &kind, &reported));
    table.columns.push(ColumnShape {
        nullable: !is_row_id && !row.try_get::<bool>("", "is_not_null")?,
        name,
        kind,
        default,
    });
    Ok(())
}

async fn add_indexes(tables: &mut Tables, db: &impl ConnectionTrait) -> Result<(), DbErr> {
    let mut last = None;
    for row in rows(db, INDEXES).await? {
        let Some(table) = tables.get_mut(&text(&row, "table_name")?) else {
            continue;
        };
        let index = Some(text(&row, "index_name")?);
        let is_first = index != last;
        last = index;
        let mut column = optional(&row, "column_name")?.unwrap_or_else(|| "expression".to_owned());
        let collation = text(&row, "collation")?;
        if collation != "BINARY" {
            column.push_str(" COLLATE ");
            column.push_str(&collation);
        }
        if row.try_get("", "is_descending")? {
            column.push_str(" DESC");
        }
        if text(&row, "origin")? == "pk" {
            // Says more of the key than the columns do: their collation.
            if is_first {
                table.primary_key.clear();
            }
            table.primary_key.push(column);
            continue;
        }
        if is_first {
            let sql = optional(&row, "sql")?.unwrap_or_default();
            let is_partial: bool = row.try_get("", "is_partial")?;
            table.indexes.push(IndexShape {
                columns: Vec::new(),
                unique: row.try_get("", "is_unique")?,
                only: is_partial.then(|| condition(&sql).to_owned()),
            });
        }
        if let Some(index) = table.indexes.last_mut() {
            index.columns.push(column);
        }
    }
    Ok(())
}

async fn add_foreign_keys(tables: &mut Tables, db: &impl ConnectionTrait) -> Result<(), DbErr> {
    let mut last = None;
    for row in rows(db, FOREIGN_KEYS).await? {
        let name = text(&row, "table_name")?;
        let Some(table) = tables.get_mut(&name) else {
            continue;
        };
        let key = Some((name, row.try_get::<i64>("", "id")?));
        if key != last {
            last = key;
            let action =
                |column| Ok::<_, DbErr>(text(&row, column)?.replace("RESTRICT", "NO ACTION"));
            table.foreign_keys.push(ForeignKeyShape {
                columns: Vec::new(),
                table: text(&row, "referred_table")?,
                referred: Vec::new(),
                on_delete: action("on_delete")?,
                on_update: action("on_update")?,
            });
        }
        if let Some(key) = table.foreign_keys.last_mut() {
            key.columns.push(text(&row, "column_name")?);
            key.referred.push(text(&row, "referred_column")?);
        }
    }
    Ok(())
}

/// What follows WHERE in a partial index.
fn condition(sql: &str) -> &str {
    sql.to_uppercase()
        .find("WHERE")
        .and_then(|at| sql.get(at + "WHERE".len()..))
        .map_or("", str::trim)
}

/// Whether `sql` has `word` (upper case) outside quotes and comments.
fn has_word(sql: &str, word: &str) -> bool {
    let mut rest = sql;
    while let Some(first) = rest.chars().next() {
        let skipped = match first {
            '\'' | '"' | '`' => quoted_length(rest, first),
            '[' => quoted_length(rest, ']'),
            '-' if rest.starts_with("--") => rest.find('\n').unwrap_or(rest.len()),
            '/' if rest.starts_with("/*") => rest.find("*/").map_or(rest.len(), |at| at + 2),
            _ if first.is_alphanumeric() || first == '_' => {
                let end = rest
                    .find(|c: char| !c.is_alphanumeric() && c != '_')
                    .unwrap_or(rest.len());
                if rest[..end].eq_ignore_ascii_case(word) {
                    return true;
                }
                end
            }
            _ => first.len_utf8(),
        };
        rest = &rest[skipped..];
    }
    false
}

/// Length of the quoted text `rest` begins with, both quotes included.
fn quoted_length(rest: &str, closing: char) -> usize {
    rest[1..].find(closing).map_or(rest.len(), |at| at + 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_counts_outside_quotes_and_comments_only() {
        for (sql, expected) in [
            ("id INTEGER PRIMARY KEY AUTOINCREMENT,", true),
            ("id integer primary key autoincrement", true),
            ("id INTEGER PRIMARY KEY", false),
            ("a DEFAULT 'AUTOINCREMENT'", false),
            ("\"AUTOINCREMENT\" TEXT, b", false),
            ("[AUTOINCREMENT] TEXT", false),
            ("a INTEGER -- AUTOINCREMENT\n", false),
            ("a INTEGER /* AUTOINCREMENT */", false),
            ("a INTEGER /* x */ AUTOINCREMENT", true),
            ("no_AUTOINCREMENT", false),
            ("a DEFAULT 'it''s' AUTOINCREMENT", true),
        ] {
            assert_eq!(has_word(sql, "AUTOINCREMENT"), expected, "{sql}");
        }
    }
}
