//! The part of a request that routing reads, and the few places where it is changed.

use std::{borrow::Cow, ops::Range};

use crate::{
    Endpoint, RequestError, Splice,
    json::{Cursor, Kind, Scanner, SyntaxError, Value},
};

/// What a provider must be able to do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Needs {
    /// Tools are offered, or were called earlier in the conversation.
    pub tool_call: bool,
    /// The answer must be JSON.
    pub structured_output: bool,
    /// A message holds an image.
    pub image: bool,
}

/// Orchestration of one request, from body fields of the gateway's own that no provider gets to see.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Orchestration<'a> {
    /// The provider to try first.
    pub provider: Option<Cow<'a, str>>,
    /// The providers to try next, in order.
    pub fallback_providers: Vec<Cow<'a, str>>,
    /// Seconds for the whole request.
    pub timeout: Option<f64>,
    /// Attempts after the first, 0 to 5.
    pub retry_count: Option<u8>,
}

/// A request, scanned once and borrowed.
#[derive(Debug, Clone, PartialEq)]
pub struct Envelope<'a> {
    /// The model asked for.
    pub model: Cow<'a, str>,
    /// Whether the answer is to be streamed.
    pub stream: bool,
    /// Whether the client asked for usage at the end of the stream.
    pub include_usage: bool,
    /// What a provider must be able to do.
    pub needs: Needs,
    /// The gateway's own fields.
    pub orchestration: Orchestration<'a>,
    /// `prompt_cache_key`, else `user`: what to keep on one provider.
    pub session: Option<Cow<'a, str>>,
    /// Bytes of text that go in, for an estimate of tokens.
    pub prompt_bytes: usize,
    /// Answers asked for: `n` for each prompt.
    pub choices: usize,
    edits: Edits,
}

/// Where the body is changed before it goes to a provider.
#[derive(Debug, Clone, Default, PartialEq)]
struct Edits {
    model: Range<usize>,
    stream_options: Option<StreamOptions>,
    /// After the opening brace.
    start: usize,
    removals: Vec<Range<usize>>,
}

#[derive(Debug, Clone, PartialEq)]
struct StreamOptions {
    /// The value's place.
    span: Range<usize>,
    /// The place of `include_usage`'s value in it.
    include_usage: Option<Range<usize>>,
    has_members: bool,
}

/// A member of the top-level object.
struct Member {
    /// From the key's first byte to the value's last.
    span: Range<usize>,
    /// Whether it is taken out before the body goes upstream.
    removed: bool,
}

/// Top-level fields that are read here; each may stand only once.
const READ: [&str; 22] = [
    "model",
    "messages",
    "prompt",
    "input",
    "stream",
    "stream_options",
    "tools",
    "functions",
    "response_format",
    "user",
    "prompt_cache_key",
    "temperature",
    "top_p",
    "n",
    "max_tokens",
    "max_completion_tokens",
    "presence_penalty",
    "frequency_penalty",
    "provider",
    "fallback_providers",
    "timeout",
    "retry_count",
];

impl<'a> Envelope<'a> {
    /// Scans the body of a request to `endpoint`. Only what the gateway reads is judged; the rest is the provider's.
    ///
    /// # Errors
    /// The body is not a JSON object, lacks a required field, or holds one of the wrong type or twice.
    pub fn scan(endpoint: Endpoint, body: &'a [u8]) -> Result<Self, RequestError> {
        let mut scanner = Scanner::new(body)?;
        if scanner.peek()? != Kind::Object {
            scanner.value()?;
            scanner.end()?;
            return Err(RequestError::NotAnObject);
        }
        let mut reader = Reader::new(endpoint);
        let mut members = scanner.enter_object()?;
        reader.edits.start = scanner.offset();
        while let Some(key) = scanner.next_member(&mut members)? {
            reader.member(&mut scanner, key)?;
        }
        scanner.end()?;
        reader.finish()
    }

    /// The changes that make this body one for a provider that calls the model `provider_model`: the name replaced, the
    /// gateway's own fields removed, usage asked for in a stream.
    #[must_use]
    pub fn splice(&self, provider_model: &str) -> Splice {
        let mut splice = Splice::default();
        for removal in &self.edits.removals {
            splice.replace(removal.clone(), "");
        }
        if self.model != provider_model {
            splice.replace(self.edits.model.clone(), quoted(provider_model));
        }
        if self.stream && !self.include_usage {
            self.ask_for_usage(&mut splice);
        }
        splice
    }

    fn ask_for_usage(&self, splice: &mut Splice) {
        match &self.edits.stream_options {
            None => {
                let start = self.edits.start;
                splice.replace(start..start, r#""stream_options":{"include_usage":true},"#);
            }
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
                splice.replace(span.clone(), r#"{"include_usage":true}"#)
            }
        }
    }
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// Collects an [`Envelope`] member by member.
struct Reader<'a> {
    endpoint: Endpoint,
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
    prompt_bytes: usize,
    choices: usize,
    prompts: usize,
    edits: Edits,
    members: Vec<Member>,
    any_removed: bool,
}

impl<'a> Reader<'a> {
    fn new(endpoint: Endpoint) -> Self {
        Self {
            endpoint,
            seen: 0,
            fault: None,
            model: None,
            has_input: false,
            stream: false,
            include_usage: false,
            needs: Needs::default(),
            orchestration: Orchestration::default(),
            user: None,
            cache_key: None,
            prompt_bytes: 0,
            choices: 1,
            prompts: 1,
            edits: Edits::default(),
            members: Vec::with_capacity(16),
            any_removed: false,
        }
    }

    fn member(&mut self, scanner: &mut Scanner<'a>, key: Value<'a>) -> Result<(), RequestError> {
        let name = key.as_str().unwrap_or_default();
        if let Some(index) = READ.iter().position(|known| *known == name) {
            if self.seen & (1 << index) != 0 {
                self.blame(RequestError::Duplicate(name.to_string()));
            }
            self.seen |= 1 << index;
        }
        let removed = self.field(scanner, &name)?;
        self.any_removed |= removed;
        self.members.push(Member {
            span: key.start..scanner.offset(),
            removed,
        });
        Ok(())
    }

    /// Reads one field; answers whether it is the gateway's own.
    fn field(&mut self, scanner: &mut Scanner<'a>, name: &str) -> Result<bool, RequestError> {
        match name {
            "messages" if self.endpoint == Endpoint::ChatCompletions => {
                self.has_input = true;
                self.messages(scanner)?;
            }
            "stream_options" => self.stream_options(scanner)?,
            "response_format" => self.response_format(scanner)?,
            _ => {
                let value = scanner.value()?;
                return Ok(self.plain(name, &value));
            }
        }
        Ok(false)
    }

    fn plain(&mut self, name: &str, value: &Value<'a>) -> bool {
        let kind = value.kind;
        match name {
            "model" => match value.as_str() {
                Some(model) => {
                    self.edits.model = value.span();
                    self.model = Some(model);
                }
                None => self.wrong_type("model", "a string"),
            },
            "stream" => match (kind, value.as_bool()) {
                (_, Some(stream)) => self.stream = stream && self.endpoint.streams(),
                (Kind::Null, _) => {}
                _ => self.wrong_type("stream", "a boolean"),
            },
            "prompt" if self.endpoint == Endpoint::Completions => {
                self.input("prompt", value);
                self.prompts = prompts(value.raw);
            }
            "input" if self.endpoint == Endpoint::Embeddings => self.input("input", value),
            "tools" | "functions" => match kind {
                Kind::Array => self.needs.tool_call |= has_elements(value.raw),
                Kind::Null => {}
                _ => self.wrong_type(name, "an array"),
            },
            "temperature" | "top_p" | "presence_penalty" | "frequency_penalty"
                if !matches!(kind, Kind::Number | Kind::Null) =>
            {
                self.wrong_type(name, "a number");
            }
            "n" | "max_tokens" | "max_completion_tokens"
                if !(value.is_null() || value.as_i64().is_some()) =>
            {
                self.wrong_type(name, "an integer");
            }
            "n" => {
                self.choices = value
                    .as_i64()
                    .and_then(|n| usize::try_from(n).ok())
                    .unwrap_or(1)
                    .max(1)
            }
            "user" => self.user = value.as_str(),
            "prompt_cache_key" => self.cache_key = value.as_str(),
            "provider" | "fallback_providers" | "timeout" | "retry_count" => {
                return self.own(name, value);
            }
            _ => {}
        }
        false
    }

    /// The gateway's own fields, on the two completions endpoints, and only in the form that makes them its own: some
    /// providers have fields of the same names.
    fn own(&mut self, name: &str, value: &Value<'a>) -> bool {
        if self.endpoint == Endpoint::Embeddings {
            return false;
        }
        let own = &mut self.orchestration;
        match name {
            "provider" => {
                own.provider = value.as_str();
                own.provider.is_some()
            }
            "fallback_providers" => match string_array(value.raw) {
                Some(names) => {
                    own.fallback_providers = names;
                    true
                }
                None => false,
            },
            "timeout" => {
                own.timeout = value.as_f64();
                own.timeout.is_some()
            }
            _ => {
                own.retry_count = value
                    .as_i64()
                    .and_then(|count| u8::try_from(count).ok())
                    .filter(|count| *count <= 5);
                own.retry_count.is_some()
            }
        }
    }

    fn input(&mut self, name: &'static str, value: &Value<'a>) {
        self.has_input = true;
        self.prompt_bytes = value.raw.len();
        if !matches!(value.kind, Kind::String | Kind::Array) {
            self.wrong_type(name, "a string or an array");
        }
    }

    fn messages(&mut self, scanner: &mut Scanner<'a>) -> Result<(), RequestError> {
        if scanner.peek()? != Kind::Array {
            self.wrong_type("messages", "an array");
            scanner.value()?;
            return Ok(());
        }
        let mut elements = scanner.enter_array()?;
        let mut index = 0;
        while scanner.next_element(&mut elements)? {
            if scanner.peek()? == Kind::Object {
                let mut members = scanner.enter_object()?;
                self.message(scanner, &mut members, index)?;
            } else {
                scanner.value()?;
                self.wrong_type(&format!("messages[{index}]"), "an object");
            }
            index += 1;
        }
        Ok(())
    }

    fn message(
        &mut self,
        scanner: &mut Scanner<'a>,
        members: &mut Cursor,
        index: usize,
    ) -> Result<(), RequestError> {
        let mut has_role = false;
        while let Some(key) = scanner.next_member(members)? {
            match key.as_str().unwrap_or_default().as_ref() {
                "role" => {
                    has_role = true;
                    match scanner.value()?.as_str() {
                        Some(role) => self.needs.tool_call |= role == "tool" || role == "function",
                        None => self.wrong_type(&format!("messages[{index}].role"), "a string"),
                    }
                }
                "content" => self.content(scanner, index)?,
                "tool_calls" => {
                    let calls = scanner.value()?;
                    self.needs.tool_call |= calls.kind == Kind::Array && has_elements(calls.raw);
                }
                "function_call" => self.needs.tool_call |= !scanner.value()?.is_null(),
                _ => {
                    scanner.value()?;
                }
            }
        }
        if !has_role {
            self.wrong_type(&format!("messages[{index}]"), "an object with a role");
        }
        Ok(())
    }

    fn content(&mut self, scanner: &mut Scanner<'a>, index: usize) -> Result<(), RequestError> {
        match scanner.peek()? {
            Kind::Array => {
                let mut parts = scanner.enter_array()?;
                while scanner.next_element(&mut parts)? {
                    if scanner.peek()? == Kind::Object {
                        self.part(scanner)?;
                    } else {
                        scanner.value()?;
                        self.wrong_type(
                            &format!("messages[{index}].content"),
                            "an array of objects",
                        );
                    }
                }
            }
            Kind::String => self.prompt_bytes += scanner.value()?.raw.len() - 2,
            Kind::Null => {
                scanner.value()?;
            }
            _ => {
                scanner.value()?;
                self.wrong_type(
                    &format!("messages[{index}].content"),
                    "a string, an array or null",
                );
            }
        }
        Ok(())
    }

    fn part(&mut self, scanner: &mut Scanner<'a>) -> Result<(), RequestError> {
        let mut members = scanner.enter_object()?;
        while let Some(key) = scanner.next_member(&mut members)? {
            let value = scanner.value()?;
            match key.as_str().unwrap_or_default().as_ref() {
                "type" => {
                    self.needs.image |= value.as_str().is_some_and(|kind| kind == "image_url")
                }
                "text" => self.prompt_bytes += value.raw.len().saturating_sub(2),
                _ => {}
            }
        }
        Ok(())
    }

    fn stream_options(&mut self, scanner: &mut Scanner<'a>) -> Result<(), RequestError> {
        if scanner.peek()? != Kind::Object {
            let value = scanner.value()?;
            if value.is_null() {
                let options = StreamOptions {
                    span: value.span(),
                    include_usage: None,
                    has_members: false,
                };
                self.edits.stream_options = Some(options);
            } else {
                self.wrong_type("stream_options", "an object");
            }
            return Ok(());
        }
        let mut members = scanner.enter_object()?;
        let start = scanner.offset() - 1;
        let mut options = StreamOptions {
            span: start..start,
            include_usage: None,
            has_members: false,
        };
        while let Some(key) = scanner.next_member(&mut members)? {
            options.has_members = true;
            let value = scanner.value()?;
            if key.as_str().is_some_and(|name| name == "include_usage") {
                if options.include_usage.is_some() {
                    self.blame(RequestError::Duplicate(
                        "stream_options.include_usage".to_owned(),
                    ));
                }
                match value.kind {
                    Kind::Bool | Kind::Null => {
                        self.include_usage = value.as_bool().unwrap_or(false)
                    }
                    _ => self.wrong_type("stream_options.include_usage", "a boolean"),
                }
                options.include_usage = Some(value.span());
            }
        }
        options.span.end = scanner.offset();
        self.edits.stream_options = Some(options);
        Ok(())
    }

    fn response_format(&mut self, scanner: &mut Scanner<'a>) -> Result<(), RequestError> {
        if scanner.peek()? != Kind::Object {
            if !scanner.value()?.is_null() {
                self.wrong_type("response_format", "an object");
            }
            return Ok(());
        }
        let mut members = scanner.enter_object()?;
        while let Some(key) = scanner.next_member(&mut members)? {
            let value = scanner.value()?;
            if key.as_str().is_some_and(|name| name == "type") {
                self.needs.structured_output |= value.as_str().is_some_and(|kind| kind != "text");
            }
        }
        Ok(())
    }

    fn wrong_type(&mut self, field: &str, expected: &'static str) {
        self.blame(RequestError::Type {
            field: field.to_owned(),
            expected,
        });
    }

    /// The first fault is told, but only once the whole body has proved to be JSON.
    fn blame(&mut self, fault: RequestError) {
        self.fault.get_or_insert(fault);
    }

    fn finish(mut self) -> Result<Envelope<'a>, RequestError> {
        if let Some(fault) = self.fault {
            return Err(fault);
        }
        let model = self
            .model
            .filter(|model| !model.is_empty())
            .ok_or(RequestError::Missing("model"))?;
        if !self.has_input {
            return Err(RequestError::Missing(match self.endpoint {
                Endpoint::ChatCompletions => "messages",
                Endpoint::Completions => "prompt",
                Endpoint::Embeddings => "input",
            }));
        }
        if self.any_removed {
            self.edits.removals = removals(&self.members);
        }
        Ok(Envelope {
            model,
            stream: self.stream,
            include_usage: self.include_usage,
            needs: self.needs,
            orchestration: self.orchestration,
            session: self.cache_key.or(self.user),
            prompt_bytes: self.prompt_bytes,
            choices: self.choices.saturating_mul(self.prompts),
            edits: self.edits,
        })
    }
}

/// Ranges to cut so that what remains is still separated by single commas: a removed member takes the comma before it,
/// or, when no kept member precedes it, the one after it.
fn removals(members: &[Member]) -> Vec<Range<usize>> {
    let first_kept = members.iter().position(|member| !member.removed);
    let mut ranges = Vec::new();
    for (index, member) in members
        .iter()
        .enumerate()
        .filter(|(_, member)| member.removed)
    {
        let range = match first_kept {
            Some(kept) if index > kept => members[index - 1].span.end..member.span.end,
            _ => {
                member.span.start
                    ..members
                        .get(index + 1)
                        .map_or(member.span.end, |next| next.span.start)
            }
        };
        ranges.push(range);
    }
    ranges
}

fn has_elements(array: &str) -> bool {
    array[1..].trim_start() != "]"
}

/// How many prompts a `prompt` holds: one text, one list of tokens, or a list of either.
fn prompts(raw: &str) -> usize {
    let is_list_of_prompts = raw
        .strip_prefix('[')
        .is_some_and(|rest| rest.trim_start().starts_with(['"', '[']));
    if !is_list_of_prompts {
        return 1;
    }
    let count = || {
        let mut scanner = Scanner::new(raw.as_bytes())?;
        let mut elements = scanner.enter_array()?;
        let mut count = 0;
        while scanner.next_element(&mut elements)? {
            scanner.value()?;
            count += 1;
        }
        Ok::<_, SyntaxError>(count)
    };
    count().unwrap_or(1)
}

fn string_array(raw: &str) -> Option<Vec<Cow<'_, str>>> {
    let mut scanner = Scanner::new(raw.as_bytes()).ok()?;
    let mut elements = scanner.enter_array().ok()?;
    let mut strings = Vec::new();
    while scanner.next_element(&mut elements).ok()? {
        strings.push(scanner.value().ok()?.as_str()?);
    }
    Some(strings)
}

#[cfg(test)]
mod tests;
