//! What is said to a server on each new connection.

use std::time::Duration;

use sea_orm::{
    ConnectOptions,
    sqlx::{AssertSqlSafe, Executor, mysql::MySqlPoolOptions, postgres::PgPoolOptions},
};

/// Has the server give up statements that take longer. They are told in a statement, not as startup parameters, which
/// poolers between us and the server do not pass on.
pub(super) fn bound_statements(options: &mut ConnectOptions, timeout: Duration) {
    let (postgres, mysql) = (on_postgres(timeout), on_mysql(timeout));
    options
        .map_sqlx_postgres_pool_opts(move |pool: PgPoolOptions| {
            let said = postgres.clone();
            pool.after_connect(move |connection, _| {
                let said = AssertSqlSafe(said.clone());
                Box::pin(async move { connection.execute(said).await.map(|_| ()) })
            })
        })
        .map_sqlx_mysql_pool_opts(move |pool: MySqlPoolOptions| {
            let said = mysql.clone();
            pool.after_connect(move |connection, _| {
                let said = AssertSqlSafe(said.clone());
                Box::pin(async move { connection.execute(said).await.map(|_| ()) })
            })
        });
}

fn on_postgres(timeout: Duration) -> String {
    format!("SET statement_timeout = {}", timeout.as_millis())
}

/// MariaDB bounds every statement, in seconds; MySQL only those that read, in milliseconds. Either takes what stands in
/// the other's comments for a comment: MariaDB passes over those of MySQL 5.7 and later.
fn on_mysql(timeout: Duration) -> String {
    format!(
        "SET @statements_are_bounded = 1 /*M!100100 , SESSION max_statement_time = {} */ \
         /*!50708 , SESSION max_execution_time = {} */",
        timeout.as_secs_f64(),
        timeout.as_millis()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_engine_is_told_in_its_own_unit() {
        let timeout = Duration::from_millis(1500);
        assert_eq!(on_postgres(timeout), "SET statement_timeout = 1500");
        let said = on_mysql(timeout);
        assert!(said.contains("max_statement_time = 1.5 "), "{said}");
        assert!(said.contains("max_execution_time = 1500 "), "{said}");
    }
}
