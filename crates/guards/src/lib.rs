//! What may be said to models and by them: rules that redact or deny what matches a pattern, and who else is asked.
//!
//! Pure: texts in, texts or a [`Denial`] out. Where the texts stand in a request or an answer, and where and how a
//! moderation endpoint is called, is not known here.
//!
//! - Patterns are searched for in linear time, and compiled ones are bounded in size, so that no pattern and no text can
//!   hold up a process.
//! - Denials are looked for in the text as it came, so that no redaction hides one.
//! - A [`Window`] lets text pass that comes in pieces. It holds back what may yet become a match, and what comes out of it,
//!   joined, is what [`Screen::whole`] makes of the pieces joined, however the text was cut.
//! - A replacement is not searched again; a rule whose pattern matches its own replacement is refused.
//!
//! ```
//! use guards::{Guards, GuardsFields, Screen};
//!
//! let fields: GuardsFields = serde_json::from_str(
//!     r#"{"rules": [{"name": "cards", "pattern": "\\d{4}-\\d{4}", "action": "redact"}]}"#,
//! )?;
//! let no_secret = |_: &str| unreachable!("it refers to none");
//! let guards = Guards::of(&fields, no_secret, |_| unreachable!("nobody is asked"))?.unwrap();
//! let screen = Screen::new(guards.of_responses()).unwrap();
//! assert_eq!(screen.whole("pay with 1234-5678!")?, "pay with [redacted]!");
//!
//! let (mut window, mut out) = (screen.window(), String::new());
//! for piece in ["pay with 12", "34-56", "78!"] {
//!     window.push(piece, &mut out)?;
//! }
//! window.finish(&mut out)?;
//! assert_eq!(out, "pay with [redacted]!");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod fields;
mod rule;
mod screen;
mod window;

pub use fields::{
    Action, GuardError, GuardsFields, ModerationFields, On, OnFailure, RuleFields, Streams,
};
pub use rule::{Guards, Moderation, Rule};
pub use screen::{Denial, Screen};
pub use window::Window;
