//! Asking before rows are destroyed.

use std::io::{BufRead, Write};

use migration::Status;

/// Whether a destructive command may go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    Yes,
    No,
}

/// What would be lost, in one line.
pub(crate) fn loss(command: &str, place: &str, status: &Status) -> String {
    let filled: Vec<String> = status
        .tables
        .iter()
        .filter_map(|(table, rows)| Some((table, rows.filter(|&rows| rows > 0)?)))
        .map(|(table, rows)| format!("{table} {rows}"))
        .collect();
    let rows = if filled.is_empty() {
        "no rows".to_owned()
    } else {
        format!("all rows ({})", filled.join(", "))
    };
    if command.starts_with("load") {
        return format!("{command} deletes {rows} of {place}");
    }
    let there = status
        .tables
        .iter()
        .filter(|(_, rows)| rows.is_some())
        .count();
    let tables = if there == 1 { "table" } else { "tables" };
    format!("{command} drops {there} {tables} of {place} with {rows}")
}

/// Asks on `output` and reads the answer from `input`; anything but `yes` is no.
pub(crate) fn ask(
    loss: &str,
    input: &mut impl BufRead,
    output: &mut impl Write,
) -> std::io::Result<Answer> {
    write!(output, "{loss}.\nType yes to go on: ")?;
    output.flush()?;
    let mut line = String::new();
    input.read_line(&mut line)?;
    Ok(match line.trim() {
        "yes" => Answer::Yes,
        _ => Answer::No,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_whole_word_is_consent() {
        for (typed, expected) in [
            ("yes\n", Answer::Yes),
            (" yes \r\n", Answer::Yes),
            ("y\n", Answer::No),
            ("no\n", Answer::No),
            ("YES!\n", Answer::No),
            ("\n", Answer::No),
            ("", Answer::No),
        ] {
            let mut output = Vec::new();
            let answer = ask("fresh drops x", &mut typed.as_bytes(), &mut output).unwrap();
            assert_eq!(answer, expected, "{typed:?}");
            let shown = String::from_utf8(output).unwrap();
            assert_eq!(shown, "fresh drops x.\nType yes to go on: ");
        }
    }

    #[test]
    fn the_loss_names_the_database_and_what_is_in_it() {
        let table = |name: &str, rows| (name.to_owned(), rows);
        let mut status = Status {
            migrations: Vec::new(),
            unknown: Vec::new(),
            tables: vec![
                table("models", Some(2)),
                table("prices", Some(0)),
                table("leases", None),
            ],
        };
        assert_eq!(
            loss("fresh", "data/x.db", &status),
            "fresh drops 2 tables of data/x.db with all rows (models 2)"
        );
        assert_eq!(
            loss("load --replace", "data/x.db", &status),
            "load --replace deletes all rows (models 2) of data/x.db",
            "the tables stay"
        );
        status.tables.remove(0);
        assert_eq!(
            loss("reset", "data/x.db", &status),
            "reset drops 1 table of data/x.db with no rows"
        );
    }
}
