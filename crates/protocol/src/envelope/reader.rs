//! Collects an envelope, member by member.

use std::{borrow::Cow, fmt, ops::Range};

use super::{
    Edits, Envelope, JsonEdits, Needs, Orchestration, StreamOptions,
    field::{Field, Role},
    place::Place,
};
use crate::{
    Endpoint, RequestError,
    json::{Cursor, Kind, Scanner, Value, walk::Walk},
};

mod chat;
mod gemini;
mod messages;
mod plain;
mod responses;

/// What OpenAI takes for a moderation that names no model.
const MODERATION_MODEL: &str = "omni-moderation-latest";

/// Collects an [`Envelope`] member by member.
pub(super) struct Reader<'a> {
    endpoint: Endpoint,
    body: &'a [u8],
    /// A bit for each field that was read, by its id.
    seen: u32,
    fault: Option<RequestError>,
    model: Option<Cow<'a, str>>,
    has_input: bool,
    stream: bool,
    include_usage: bool,
    needs: Needs,
    orchestration: Orchestration<'a>,
    user: Option<Cow<'a, str>>,
    cache_key: Option<Cow<'a, str>>,
    safety_id: Option<Cow<'a, str>>,
    prompt_bytes: usize,
    max_output: Option<u64>,
    choices: usize,
    prompts: usize,
    encrypted_reasoning: bool,
    foreign: bool,
    edits: JsonEdits,
}

impl<'a> Reader<'a> {
    /// A reader of the object whose first member may stand at `start` of `body`.
    pub(super) fn new(
        endpoint: Endpoint,
        path_model: Option<Cow<'a, str>>,
        body: &'a [u8],
        start: usize,
    ) -> Self {
        Self {
            endpoint,
            body,
            seen: 0,
            fault: None,
            model: path_model,
            has_input: false,
            stream: endpoint == Endpoint::StreamGenerateContent,
            include_usage: !matches!(endpoint, Endpoint::ChatCompletions | Endpoint::Completions),
            needs: Needs::default(),
            orchestration: Orchestration::default(),
            user: None,
            cache_key: None,
            safety_id: None,
            prompt_bytes: 0,
            max_output: None,
            choices: 1,
            prompts: 1,
            encrypted_reasoning: false,
            foreign: false,
            edits: JsonEdits {
                start,
                ..JsonEdits::default()
            },
        }
    }

    pub(super) fn member(&mut self, scanner: &mut Scanner<'a>, key: Value<'a>) -> Walk<()> {
        let index = self.edits.members;
        self.edits.members += 1;
        let name = key.as_str().unwrap_or_default();
        let Some(field) = Field::of(self.endpoint, &name) else {
            scanner.value()?;
            return Ok(());
        };
        let bit = 1 << field.id;
        if self.seen & bit != 0 {
            self.blame(RequestError::Duplicate(name.to_string()));
        }
        self.seen |= bit;
        let is_own = if field.role == Role::Own {
            let value = scanner.value()?;
            self.own(&name, &value)
        } else {
            self.field(scanner, field.role, &name)?;
            false
        };
        let place = || Place {
            index,
            span: key.start..scanner.offset(),
        };
        match field.role {
            Role::Model => self.edits.model = Some(place()),
            Role::Stream => self.edits.stream = Some(place()),
            Role::Own if is_own => self.edits.own.push(place()),
            _ => {}
        }
        Ok(())
    }

    /// Reads one field.
    fn field(&mut self, scanner: &mut Scanner<'a>, role: Role, name: &str) -> Walk<()> {
        match role {
            Role::ChatMessages => self.chat_messages(scanner),
            Role::StreamOptions => self.stream_options(scanner),
            Role::ResponseFormat => self.typed_format(scanner, format_args!("response_format")),
            Role::ResponsesInput => self.responses_input(scanner),
            Role::TextConfig => self.text_config(scanner),
            Role::Messages => self.anthropic_messages(scanner),
            Role::System => {
                let (texts, what) = (format_args!("system"), "a string or an array");
                self.blocks(scanner, texts, what)
            }
            Role::Metadata => self.metadata(scanner),
            Role::OutputConfig => self.output_config(scanner),
            Role::Contents => self.contents(scanner, name),
            Role::SystemInstruction => self.gemini_content(scanner, format_args!("{name}")),
            Role::EmbedContent => {
                self.has_input = true;
                self.gemini_content(scanner, format_args!("{name}"))
            }
            Role::GenerationConfig => self.generation_config(scanner, name),
            Role::GenerateRequest => self.generate_request(scanner, name),
            Role::EmbedRequests => self.embed_requests(scanner),
            _ => {
                let value = scanner.value()?;
                self.plain(role, name, &value);
                Ok(())
            }
        }
    }

    /// An object whose `type` says what form the answer has; any but `text` is structured.
    fn typed_format(&mut self, scanner: &mut Scanner<'a>, field: fmt::Arguments<'_>) -> Walk<()> {
        let Some(mut members) = self.object_or_null(scanner, field)? else {
            return Ok(());
        };
        while let Some(key) = scanner.next_member(&mut members)? {
            let value = scanner.value()?;
            if key.as_str().is_some_and(|name| name == "type") {
                self.needs.structured_output |= value.as_str().is_some_and(|kind| kind != "text");
            }
        }
        Ok(())
    }

    /// Steps into the object that comes next; anything else is skipped, and is a fault unless null.
    fn object_or_null(
        &mut self,
        scanner: &mut Scanner<'a>,
        field: fmt::Arguments<'_>,
    ) -> Walk<Option<Cursor>> {
        if scanner.peek()? == Kind::Object {
            return Ok(Some(scanner.enter_object()?));
        }
        if !scanner.value()?.is_null() {
            self.wrong_type(field, "an object");
        }
        Ok(None)
    }

    /// Steps into the object that comes next; anything else is skipped, and is a fault.
    fn object(
        &mut self,
        scanner: &mut Scanner<'a>,
        field: fmt::Arguments<'_>,
    ) -> Walk<Option<Cursor>> {
        if scanner.peek()? == Kind::Object {
            return Ok(Some(scanner.enter_object()?));
        }
        scanner.value()?;
        self.wrong_type(field, "an object");
        Ok(None)
    }

    /// Steps into the array that comes next; anything else is skipped, and is a fault.
    fn array(
        &mut self,
        scanner: &mut Scanner<'a>,
        field: fmt::Arguments<'_>,
    ) -> Walk<Option<Cursor>> {
        if scanner.peek()? == Kind::Array {
            return Ok(Some(scanner.enter_array()?));
        }
        scanner.value()?;
        self.wrong_type(field, "an array");
        Ok(None)
    }

    fn wrong_type(&mut self, field: fmt::Arguments<'_>, expected: &'static str) {
        if self.fault.is_none() {
            self.blame(RequestError::Type {
                field: field.to_string(),
                expected,
            });
        }
    }

    /// The first fault is told, but only once the whole body has proved to be JSON.
    fn blame(&mut self, fault: RequestError) {
        self.fault.get_or_insert(fault);
    }

    pub(super) fn finish(self) -> Result<Envelope<'a>, RequestError> {
        if let Some(fault) = self.fault {
            return Err(fault);
        }
        let default = (self.endpoint == Endpoint::Moderations).then_some(MODERATION_MODEL.into());
        let model = self
            .model
            .or(default)
            .filter(|model| !model.is_empty())
            .ok_or(RequestError::Missing("model"))?;
        if !self.has_input
            && let Some(input) = required_input(self.endpoint)
        {
            return Err(RequestError::Missing(input));
        }
        Ok(Envelope {
            endpoint: self.endpoint,
            body: self.body,
            model,
            stream: self.stream,
            include_usage: self.include_usage,
            needs: self.needs,
            orchestration: self.orchestration,
            session: self.cache_key.or(self.user).or(self.safety_id),
            prompt_bytes: self.prompt_bytes,
            max_output: self.max_output,
            choices: self.choices.saturating_mul(self.prompts),
            encrypted_reasoning: self.encrypted_reasoning,
            foreign: self.foreign,
            edits: Edits::Json(self.edits),
        })
    }
}

/// The member that holds what goes in, where the gateway reads it.
fn required_input(endpoint: Endpoint) -> Option<&'static str> {
    match endpoint {
        Endpoint::ChatCompletions | Endpoint::Messages | Endpoint::CountMessagesTokens => {
            Some("messages")
        }
        Endpoint::Completions => Some("prompt"),
        Endpoint::Embeddings | Endpoint::Responses | Endpoint::InputTokens => Some("input"),
        Endpoint::GenerateContent | Endpoint::StreamGenerateContent | Endpoint::CountTokens => {
            Some("contents")
        }
        Endpoint::EmbedContent => Some("content"),
        Endpoint::BatchEmbedContents => Some("requests"),
        _ => None,
    }
}

fn begins_with(value: &Value<'_>, prefix: &str) -> bool {
    value.as_str().is_some_and(|text| text.starts_with(prefix))
}

fn has_elements(array: &str) -> bool {
    array
        .strip_prefix('[')
        .is_some_and(|rest| rest.trim_start() != "]")
}

/// Options at `span` of which nothing is known yet.
fn no_options(span: Range<usize>) -> StreamOptions {
    StreamOptions {
        span,
        include_usage: None,
        has_members: false,
    }
}

/// How many elements the array `raw` has.
fn elements(raw: &str) -> Walk<usize> {
    let mut scanner = Scanner::new(raw.as_bytes())?;
    let mut elements = scanner.enter_array()?;
    let mut count = 0;
    while scanner.next_element(&mut elements)? {
        scanner.value()?;
        count += 1;
    }
    Ok(count)
}
