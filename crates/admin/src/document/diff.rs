//! What a document changes, for people: `+` is new, `~` changes, `-` goes.

use std::fmt;

use super::{
    Fault, Report,
    report::{Action, FieldChange, ObjectChange},
};

impl fmt::Display for Report {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for change in &self.changes {
            write!(out, "{change}")?;
        }
        for warning in &self.warnings {
            writeln!(out, "! {warning}")?;
        }
        let (made, sum) = (!self.dry_run, &self.summary);
        let word = |done: &'static str, due: &'static str| if made { done } else { due };
        write!(
            out,
            "{} {}, {} {}, {} {}, {} unchanged",
            sum.create,
            word("created", "to create"),
            sum.update,
            word("changed", "to change"),
            sum.delete,
            word("deleted", "to delete"),
            sum.unchanged,
        )
    }
}

impl fmt::Display for ObjectChange {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = match self.action {
            Action::Create => '+',
            Action::Update => '~',
            Action::Delete => '-',
        };
        writeln!(out, "{sign} {} {}", self.kind, self.name)?;
        for field in &self.fields {
            writeln!(out, "    {field}")?;
        }
        Ok(())
    }
}

impl fmt::Display for FieldChange {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            field,
            before,
            after,
        } = self;
        match (before.is_null(), after.is_null()) {
            (true, _) => write!(out, "+ {field}: {after}"),
            (_, true) => write!(out, "- {field}: {before}"),
            _ => write!(out, "~ {field}: {before} -> {after}"),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = self.place();
        if place.is_empty() {
            return out.write_str(self.message());
        }
        write!(out, "{place}: {}", self.message())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::document::Kind;

    #[test]
    fn a_report_reads_as_a_diff() {
        let field = |field: &str, before, after| FieldChange {
            field: field.to_owned(),
            before,
            after,
        };
        let mut report = Report {
            dry_run: true,
            ..Report::default()
        };
        let new = vec![field("timeout", json!(null), json!(30))];
        report.add(Action::Create, Kind::Model, "new".to_owned(), new);
        let changed = vec![
            field("remark", json!("old"), json!(null)),
            field("timeout", json!(30), json!(60)),
        ];
        report.add(Action::Update, Kind::Model, "other".to_owned(), changed);
        report.add(Action::Delete, Kind::Key, "gone".to_owned(), Vec::new());
        report.warnings.push(Fault::at_path("keys[0]", "take care"));
        let expected = "\
+ model new
    + timeout: 30
~ model other
    - remark: \"old\"
    ~ timeout: 30 -> 60
- key gone
! keys[0]: take care
1 to create, 1 to change, 1 to delete, 0 unchanged";
        assert_eq!(report.to_string(), expected);
        report.dry_run = false;
        assert!(
            report
                .to_string()
                .ends_with("1 created, 1 changed, 1 deleted, 0 unchanged")
        );
    }
}
