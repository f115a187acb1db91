//! Reading the tables of a MySQL or MariaDB database.
//!
//! Everything is cast to CHAR: MySQL 8 answers some of these columns as bytes.

use std::collections::BTreeSet;

use sea_orm::{ConnectionTrait, DbBackend, DbErr, QueryResult};

use super::{Tables, optional, rows, text};
use crate::shape::{ColumnShape, ForeignKeyShape, IndexShape, Shape, spell_default};

const VERSION: &str = "SELECT CAST(version() AS CHAR) AS version";
const TABLES: &str = "
    SELECT CAST(table_name AS CHAR) AS name, CAST(engine AS CHAR) AS storage FROM information_schema.tables
    WHERE table_schema = database() AND table_type = 'BASE TABLE'";
/// MariaDB has no JSON type: a JSON column is a longtext with this check.
const JSON_CHECKS: &str = "
    SELECT CAST(table_name AS CHAR) AS table_name, CAST(check_clause AS CHAR) AS check_clause
    FROM information_schema.check_constraints WHERE constraint_schema = database()";
const COLUMNS: &str = "
    SELECT CAST(table_name AS CHAR) AS table_name, CAST(column_name AS CHAR) AS name, CAST(column_type AS CHAR) AS type,
           CAST(is_nullable AS CHAR) AS is_nullable, CAST(column_default AS CHAR) AS default_value,
           CAST(extra AS CHAR) AS extra, CAST(collation_name AS CHAR) AS collation
    FROM information_schema.columns WHERE table_schema = database() ORDER BY table_name, ordinal_position";
const INDEXES: &str = "
    SELECT CAST(table_name AS CHAR) AS table_name, CAST(index_name AS CHAR) AS index_name,
           CAST(non_unique AS SIGNED) AS non_unique, CAST(column_name AS CHAR) AS column_name,
           CAST(sub_part AS CHAR) AS prefix_length, CAST(collation AS CHAR) AS direction,
           CAST(index_type AS CHAR) AS method
    FROM information_schema.statistics WHERE table_schema = database()
    ORDER BY table_name, index_name, seq_in_index";
const FOREIGN_KEYS: &str = "
    SELECT CAST(k.table_name AS CHAR) AS table_name, CAST(k.constraint_name AS CHAR) AS name,
           CAST(k.referenced_table_name AS CHAR) AS referred_table, CAST(k.column_name AS CHAR) AS column_name,
           CAST(k.referenced_column_name AS CHAR) AS referred_column,
           CAST(r.delete_rule AS CHAR) AS on_delete, CAST(r.update_rule AS CHAR) AS on_update
    FROM information_schema.key_column_usage k
    JOIN information_schema.referential_constraints r
      ON r.constraint_schema = k.constraint_schema AND r.constraint_name = k.constraint_name
     AND r.table_name = k.table_name
    WHERE k.table_schema = database() AND k.referenced_table_name IS NOT NULL
    ORDER BY k.table_name, k.constraint_name, k.ordinal_position";

pub(super) async fn read(db: &impl ConnectionTrait) -> Result<Tables, DbErr> {
    let mut tables = Tables::new();
    for row in rows(db, TABLES).await? {
        let name = text(&row, "name")?;
        let storage = optional(&row, "storage")?;
        let table = Shape {
            storage,
            ..Shape::empty(name.clone())
        };
        tables.insert(name, table);
    }
    let json = json_columns(db).await?;
    for row in rows(db, COLUMNS).await? {
        if let Some(table) = tables.get_mut(&text(&row, "table_name")?) {
            let is_json = json.contains(&(table.name.clone(), text(&row, "name")?));
            table.columns.push(column(&row, is_json)?);
        }
    }
    add_indexes(&mut tables, db).await?;
    add_foreign_keys(&mut tables, db).await?;
    Ok(tables)
}

/// The columns that MariaDB checks to be JSON, as (table, column); empty on MySQL, which has the type.
async fn json_columns(db: &impl ConnectionTrait) -> Result<BTreeSet<(String, String)>, DbErr> {
    let mut columns = BTreeSet::new();
    let is_mariadb = match rows(db, VERSION).await?.first() {
        Some(row) => text(row, "version")?.contains("MariaDB"),
        None => false,
    };
    if is_mariadb {
        for row in rows(db, JSON_CHECKS).await? {
            let clause = text(&row, "check_clause")?;
            let checked = clause
                .strip_prefix("json_valid(`")
                .and_then(|rest| rest.strip_suffix("`)"));
            if let Some(column) = checked {
                columns.insert((text(&row, "table_name")?, column.to_owned()));
            }
        }
    }
    Ok(columns)
}

fn column(row: &QueryResult, is_json: bool) -> Result<ColumnShape, DbErr> {
    let mut kind = without_display_width(&text(row, "type")?);
    if is_json && kind == "longtext" {
        "json".clone_into(&mut kind);
    } else if let Some(collation) = optional(row, "collation")?
        && collation != "utf8mb4_bin"
    {
        kind.push_str(" collate ");
        kind.push_str(&collation);
    }
    let extra = text(row, "extra")?.to_lowercase();
    if extra.contains("auto_increment") {
        kind.push_str(" auto_increment");
    }
    // `DEFAULT_GENERATED` is only MySQL's mark of a default that is an expression.
    if extra.contains("stored") || extra.contains("virtual") || extra.contains("persistent") {
        kind.push_str(" generated");
    }
    let mut default = optional(row, "default_value")?
        .and_then(|reported| spell_default(DbBackend::MySql, &kind, &reported));
    if let Some((_, update)) = extra.split_once("on update ") {
        let value = default.as_deref().unwrap_or("NULL");
        default = Some(format!("{value} ON UPDATE {}", update.to_uppercase()));
    }
    Ok(ColumnShape {
        name: text(row, "name")?,
        nullable: text(row, "is_nullable")? == "YES",
        kind,
        default,
    })
}

/// `bigint(20)` is `bigint`: the width says nothing, but `tinyint(1)` means a boolean.
fn without_display_width(kind: &str) -> String {
    if kind.starts_with("tinyint(1)") {
        return kind.to_owned();
    }
    match (kind.split_once('('), kind.split_once(')')) {
        (Some((name, _)), Some((_, rest))) if name.ends_with("int") => format!("{name}{rest}"),
        _ => kind.to_owned(),
    }
}

async fn add_indexes(tables: &mut Tables, db: &impl ConnectionTrait) -> Result<(), DbErr> {
    let mut last = None;
    for row in rows(db, INDEXES).await? {
        let name = text(&row, "table_name")?;
        let Some(table) = tables.get_mut(&name) else {
            continue;
        };
        let mut column = optional(&row, "column_name")?.unwrap_or_else(|| "expression".to_owned());
        let index_name = text(&row, "index_name")?;
        if index_name == "PRIMARY" {
            table.primary_key.push(column);
            continue;
        }
        let index = Some((name, index_name));
        if index != last {
            last = index;
            table.indexes.push(IndexShape {
                columns: Vec::new(),
                unique: row.try_get::<i64>("", "non_unique")? == 0,
                only: None,
            });
        }
        if let Some(length) = optional(&row, "prefix_length")? {
            column.push_str(&format!("({length})"));
        }
        if optional(&row, "direction")?.as_deref() == Some("D") {
            column.push_str(" DESC");
        }
        let method = text(&row, "method")?;
        if method != "BTREE" {
            column.push_str(" USING ");
            column.push_str(&method);
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
        let key = Some((name, text(&row, "name")?));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn display_widths_go_and_lengths_stay() {
        for (reported, expected) in [
            ("bigint(20)", "bigint"),
            ("bigint(20) unsigned", "bigint unsigned"),
            ("int(11)", "int"),
            ("int", "int"),
            ("tinyint(1)", "tinyint(1)"),
            ("tinyint(1) unsigned", "tinyint(1) unsigned"),
            ("tinyint(4)", "tinyint"),
            ("varchar(100)", "varchar(100)"),
            ("datetime(6)", "datetime(6)"),
        ] {
            assert_eq!(without_display_width(reported), expected);
        }
    }
}
