//! What a JSON body needs to become one for a provider model.

use std::borrow::Cow;

use super::{Envelope, JsonEdits, Outgoing, StreamOptions, place::Place};
use crate::{
    Endpoint, Protocol, Splice,
    json::{Scanner, SyntaxError, quoted},
};

impl Envelope<'_> {
    pub(super) fn splice_json(
        &self,
        edits: &JsonEdits,
        outgoing: &Outgoing<'_>,
        splice: &mut Splice,
    ) {
        let removed = self.removed(edits, outgoing);
        for (before, place) in removed.iter().enumerate() {
            splice.replace(place.cut(self.body, before), "");
        }
        let mut added = Added::default();
        self.name_model(edits, outgoing.model, splice, &mut added);
        if self.stream && !self.include_usage {
            ask_for_usage(edits, splice, &mut added);
        }
        if let Some(version) = outgoing.anthropic_version
            && !edits.has_version
        {
            added.member("anthropic_version", &quoted(version));
        }
        if let Some(betas) = outgoing.anthropic_beta
            && !names(self.body)
                .unwrap_or_default()
                .contains(&Cow::Borrowed("anthropic_beta"))
        {
            let betas: Vec<&str> = betas.split(',').map(str::trim).collect();
            added.member("anthropic_beta", &serde_json::json!(betas).to_string());
        }
        if !outgoing.extra.is_empty() {
            self.add_extra(outgoing, &removed, &mut added);
        }
        if !added.text.is_empty() {
            if removed.len() == edits.members {
                added.text.pop();
            }
            splice.replace(edits.start..edits.start, added.text);
        }
    }

    /// Members that are taken out, in order.
    fn removed(&self, edits: &JsonEdits, outgoing: &Outgoing<'_>) -> Vec<Place> {
        let mut removed = edits.own.clone();
        if outgoing.model.is_none() {
            removed.extend(edits.model.clone());
        }
        if outgoing.is_stream_in_url {
            removed.extend(edits.stream.clone());
        }
        removed.sort_unstable_by_key(|place| place.index);
        removed
    }

    fn name_model(
        &self,
        edits: &JsonEdits,
        model: Option<&str>,
        splice: &mut Splice,
        added: &mut Added<'_>,
    ) {
        let Some(model) = model else {
            for nested in &edits.nested_models {
                splice.replace(nested.place.cut(self.body, 0), "");
            }
            return;
        };
        if self.endpoint.protocol() == Protocol::Gemini {
            let name = quoted(&format!(
                "models/{}",
                model.strip_prefix("models/").unwrap_or(model)
            ));
            for nested in &edits.nested_models {
                splice.replace(nested.value.clone(), name.clone());
            }
            if edits.model.is_some() {
                splice.replace(edits.model_value.clone(), name);
            }
        } else if edits.model.is_none() {
            added.member("model", &quoted(model));
        } else if self.model != model || self.endpoint == Endpoint::Moderations {
            splice.replace(edits.model_value.clone(), quoted(model));
        }
    }

    fn add_extra<'e>(&self, outgoing: &Outgoing<'e>, removed: &[Place], added: &mut Added<'e>) {
        let is_gemini = self.endpoint.protocol() == Protocol::Gemini;
        let spelled = |name: &str| {
            if is_gemini {
                camel_case(name)
            } else {
                name.to_owned()
            }
        };
        let present = names(self.body).unwrap_or_default();
        let mut taken: Vec<String> = present
            .iter()
            .enumerate()
            .filter(|(index, _)| removed.iter().all(|place| place.index != *index))
            .map(|(_, name)| spelled(name))
            .collect();
        taken.extend(added.names.iter().map(|name| spelled(name)));
        for (name, value) in outgoing.extra {
            let name_there = spelled(name);
            if !taken.contains(&name_there) {
                added.member(name, value.get());
                taken.push(name_there);
            }
        }
    }
}

/// Members to insert before all others, each followed by a comma.
#[derive(Default)]
struct Added<'e> {
    text: String,
    names: Vec<&'e str>,
}

impl<'e> Added<'e> {
    fn member(&mut self, name: &'e str, value: &str) {
        self.text.push_str(&quoted(name));
        self.text.push(':');
        self.text.push_str(value);
        self.text.push(',');
        self.names.push(name);
    }
}

fn ask_for_usage(edits: &JsonEdits, splice: &mut Splice, added: &mut Added<'_>) {
    match &edits.stream_options {
        None => added.member("stream_options", r#"{"include_usage":true}"#),
        Some(StreamOptions {
            include_usage: Some(span),
            ..
        }) => splice.replace(span.clone(), "true"),
        Some(StreamOptions {
            span,
            has_members: true,
            ..
        }) => {
            let inside = span.start + 1;
            splice.replace(inside..inside, r#""include_usage":true,"#);
        }
        Some(StreamOptions { span, .. }) => {
            splice.replace(span.clone(), r#"{"include_usage":true}"#);
        }
    }
}

/// Names of the members of the object `body`.
fn names(body: &[u8]) -> Result<Vec<Cow<'_, str>>, SyntaxError> {
    let mut scanner = Scanner::new(body)?;
    let mut members = scanner.enter_object()?;
    let mut names = Vec::new();
    while let Some(key) = scanner.next_member(&mut members)? {
        names.push(key.as_str().unwrap_or_default());
        scanner.value()?;
    }
    Ok(names)
}

/// `generation_config` as `generationConfig`: in proto3 JSON both are one field.
fn camel_case(name: &str) -> String {
    let mut camel = String::with_capacity(name.len());
    let mut raise = false;
    for letter in name.chars() {
        if letter == '_' && !camel.is_empty() {
            raise = true;
        } else if raise {
            camel.push(letter.to_ascii_uppercase());
            raise = false;
        } else {
            camel.push(letter);
        }
    }
    camel
}
