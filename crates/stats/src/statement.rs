//! The statements that insert rows. Only a few sizes occur, and each one's text is made once: making it takes longer than
//! binding its values.

use std::sync::OnceLock;

use entities::request_log;
use sea_orm::sea_query::{Expr, ExprTrait, Query};
use sea_orm::{DbBackend, StatementBuilder};

use crate::row::Row;

/// Rows per statement, so that few statements are prepared per connection; the largest stays far below every engine's
/// limits for parameters and packets.
pub(crate) const SIZES: [usize; 6] = [1024, 256, 64, 16, 4, 1];
/// The largest of SQLite, which is no network away: one of 1,024 rows is 3 MB of its memory, and no row is written sooner for it.
const LARGEST_OF_SQLITE: usize = 256;

/// By engine and size.
static TEXTS: [[OnceLock<String>; SIZES.len()]; 3] =
    [const { [const { OnceLock::new() }; SIZES.len()] }; 3];

/// Splits rows into parts of one statement each, whose text comes first.
pub(crate) fn inserts<'a>(
    backend: DbBackend,
    rows: &'a [&'a Row],
) -> impl Iterator<Item = (&'static str, &'a [&'a Row])> {
    let most = match backend {
        DbBackend::Sqlite => LARGEST_OF_SQLITE,
        _ => SIZES[0],
    };
    let mut rest = rows;
    std::iter::from_fn(move || {
        let (index, size) = SIZES
            .into_iter()
            .enumerate()
            .find(|(_, size)| rest.len().min(most) >= *size)?;
        let (part, after) = rest.split_at(size);
        rest = after;
        Some((text(backend, index), part))
    })
}

fn text(backend: DbBackend, index: usize) -> &'static str {
    let engine = match backend {
        DbBackend::Sqlite => 0,
        DbBackend::Postgres => 1,
        _ => 2,
    };
    TEXTS[engine][index].get_or_init(|| {
        let mut insert = Query::insert();
        insert.into_table(request_log::Entity).columns(Row::COLUMNS);
        for _ in 0..SIZES[index] {
            insert.values_panic(Row::COLUMNS.map(|column| placeholder(backend, column)));
        }
        let sql = StatementBuilder::build(&insert, &backend).sql;
        match backend {
            DbBackend::Sqlite => failing(&sql),
            _ => sql,
        }
    })
}

/// What stands for a value of `column`, which is bound as text where it is JSON. PostgreSQL takes no text for that.
fn placeholder(backend: DbBackend, column: request_log::Column) -> Expr {
    // What it is in the text does not depend on the value.
    let value = Expr::value(0);
    match (backend, column) {
        (DbBackend::Postgres, request_log::Column::Attempts) => value.cast_as("jsonb"),
        _ => value,
    }
}

/// The same where a conflict ends the statement and leaves in the database what it wrote before. SQLite need not keep, then,
/// what each page was before the statement (<https://www.sqlite.org/lang_conflict.html>). Who inserts must roll back.
fn failing(insert: &str) -> String {
    insert.replacen("INSERT", "INSERT OR FAIL", 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::row::{Bound, tests::row};

    #[test]
    fn rows_are_split_into_few_sizes_and_each_has_a_parameter_per_column() {
        let row = row(1);
        for count in [0, 1, 3, 4, 255, 600, 2_100] {
            let rows = vec![&row; count];
            for (backend, mark) in [
                (DbBackend::Sqlite, "?"),
                (DbBackend::Postgres, "$"),
                (DbBackend::MySql, "?"),
            ] {
                let mut inserted = 0;
                for (sql, part) in inserts(backend, &rows) {
                    let values = Bound::of(part.iter().copied());
                    assert_eq!(values.len(), part.len() * Row::COLUMNS.len());
                    assert_eq!(sql.matches(mark).count(), values.len());
                    let casts = match backend {
                        DbBackend::Postgres => part.len(),
                        _ => 0,
                    };
                    assert_eq!(sql.matches(" AS jsonb)").count(), casts);
                    let begins = match backend {
                        DbBackend::Sqlite => "INSERT OR FAIL INTO ",
                        _ => "INSERT INTO ",
                    };
                    assert!(sql.starts_with(begins), "{sql}");
                    assert!(SIZES.contains(&part.len()));
                    assert!(backend != DbBackend::Sqlite || part.len() <= LARGEST_OF_SQLITE);
                    inserted += part.len();
                }
                assert_eq!(inserted, count);
            }
        }
    }
}
