//! A bar on the terminal for work that takes long.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use transfer::{Error, Pace, Step};

/// Shows how far each table is; where stderr is no terminal, nothing.
#[derive(Debug)]
pub(crate) struct Bar(ProgressBar);

impl Bar {
    pub(crate) fn new() -> Self {
        let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr());
        let style =
            ProgressStyle::with_template("{msg:20} {wide_bar} {human_pos}/{human_len} {eta}");
        Self(bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar())))
    }

    fn tell(&self, what: &str) {
        self.0.set_message(what.to_owned());
    }
}

impl Pace for Bar {
    fn at(&mut self, step: Step<'_>) -> Result<(), Error> {
        match step {
            Step::BackUp => self.tell("backup"),
            Step::Create => self.tell("tables"),
            Step::Copy { table, rows } => {
                self.0.set_length(rows);
                self.0.reset();
                self.tell(table);
            }
            Step::Moved(rows) => self.0.inc(rows),
            Step::Verify => self.tell("counting"),
            _ => self.tell("finishing"),
        }
        Ok(())
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
