//! The table as a document for people: `docs/translation.md`.

use std::fmt::{self, Write};

use super::{Carry, Feature, Row, TABLE};
use crate::Format;

const INTRODUCTION: &str = "\
# Translation between the formats

<!-- Generated from the table in `crates/protocol/src/feature.rs`; `UPDATE_DOCS=1 cargo test -p protocol document` writes it. -->

A client may speak another format than the provider that serves it: OpenAI Chat Completions, OpenAI Responses, Anthropic
Messages or Gemini `generateContent`. Then the request is translated, and the answer back. Where both speak the same format
nothing is: the bytes pass through.

Formats differ in what they can say. For everything that a request can ask for, the tables below tell by which field each
client format asks for it, and what becomes of it on the way to a provider of the format that the table is about:

- **carried**: it means the same there;
- **adapted**: it is said in another way there;
- **dropped**: it is left out, and the client's field is named in the response header `x-gateway-dropped`;
- **refused**: this provider cannot be asked. If no other can, the client gets an error with status 400 that names the field.

A field that no table names is not known to the documents of its format. It is refused, unless both sides speak the same
format: the gateway drops nothing in silence.
";

const TRAITS: &str = "
## What depends on the model

Models of one format do not all take the same. What a model takes is known from its name, or set in the provider's
configuration under `models.<provider_model>`; it goes before the tables above.

- **Sampling.** Some reasoning models sample by their own settings only. Towards them temperature, top-p and top-k are
  dropped.
- **Prefill.** Some models do not go on from a turn of the assistant's. Towards them a conversation that ends with one is
  refused.
- **URLs.** Some providers do not fetch images and files by themselves. Towards them URLs are refused, unless the gateway is
  configured to fetch them and send the bytes.
- **Reasoning.** A model is told how much to reason by an effort, by a budget of tokens, by a level, or it decides for
  itself; efforts and budgets are turned into each other. A model that does not reason is told nothing, and the field is
  named as dropped.
- **Limit of output tokens.** Messages requires one. Where the client names none, the model's own is sent.
";

/// The document: an introduction, a table for each format of the provider's, and what depends on the model.
#[must_use]
pub fn document() -> String {
    let mut text = INTRODUCTION.to_owned();
    let written = Format::ALL
        .into_iter()
        .try_for_each(|to| table(to, &mut text));
    written.expect("a string takes all");
    text.push_str(TRAITS);
    text
}

fn table(to: Format, text: &mut String) -> fmt::Result {
    let from: Vec<Format> = Format::ALL.into_iter().filter(|from| *from != to).collect();
    write!(text, "\n## To {}\n\n| Feature |", to.title())?;
    for client in &from {
        write!(text, " {} |", client.title())?;
    }
    writeln!(text, " What becomes of it |")?;
    writeln!(text, "|---{}|---|", "|---".repeat(from.len()))?;
    for row in TABLE.iter().filter(|row| is_asked(row, &from)) {
        write!(text, "| {} |", row.title)?;
        for client in &from {
            match row.feature.field(*client) {
                "" if row.feature == Feature::Other => write!(text, " any other |")?,
                "" => write!(text, " |")?,
                field => write!(text, " `{field}` |")?,
            }
        }
        writeln!(text, " {} |", becomes(row.carry[to as usize]))?;
    }
    Ok(())
}

/// Whether a client of one of the formats can ask for it.
fn is_asked(row: &Row, from: &[Format]) -> bool {
    row.feature == Feature::Other
        || from
            .iter()
            .any(|client| !row.feature.field(*client).is_empty())
}

fn becomes(carry: Carry) -> String {
    let (word, why) = match carry {
        Carry::Carried => return "carried".to_owned(),
        Carry::Adapted(how) => ("adapted", how),
        Carry::Dropped(why) => ("dropped", why),
        Carry::Refused(why) => ("refused", why),
    };
    format!("**{word}**: {}", why.replace('|', "\\|"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/translation.md");

    #[test]
    fn the_document_is_the_tables() {
        if std::env::var_os("UPDATE_DOCS").is_some() {
            std::fs::write(PATH, document()).unwrap();
        }
        let written = std::fs::read_to_string(PATH).unwrap_or_default();
        assert!(
            written == document(),
            "docs/translation.md is not what the table says: run UPDATE_DOCS=1 cargo test -p protocol document"
        );
    }

    #[test]
    fn every_pair_of_formats_is_covered() {
        let document = document();
        for to in Format::ALL {
            let start = document.find(&format!("## To {}\n", to.title())).unwrap();
            let section = document[start..].split("\n## ").next().unwrap();
            for row in TABLE {
                for from in Format::ALL.into_iter().filter(|from| *from != to) {
                    let field = row.feature.field(from);
                    let line = section
                        .lines()
                        .find(|line| line.starts_with(&format!("| {} |", row.title)));
                    let tells = |line: &str| line.contains(&format!("`{field}`"));
                    assert!(
                        field.is_empty() || line.is_some_and(tells),
                        "{} {from:?} {to:?}",
                        row.title
                    );
                }
            }
        }
    }
}
