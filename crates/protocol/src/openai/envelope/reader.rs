//! Collects an envelope, member by member.

use std::{borrow::Cow, ops::Range};

use super::{Edits, Envelope, Needs, Orchestration, StreamOptions};
use crate::{
    Endpoint, RequestError,
    json::{Cursor, Kind, Scanner, SyntaxError, Value},
};

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

/// Collects an [`Envelope`] member by member.
pub(super) struct Reader<'a> {
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
    /// A reader of the object whose first member may stand at `start`.
    pub(super) fn new(endpoint: Endpoint, start: usize) -> Self {
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
            edits: Edits {
                start,
                ..Edits::default()
            },
            members: Vec::with_capacity(16),
            any_removed: false,
        }
    }

    pub(super) fn member(
        &mut self,
        scanner: &mut Scanner<'a>,
        key: Value<'a>,
    ) -> Result<(), RequestError> {
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

    pub(super) fn finish(mut self) -> Result<Envelope<'a>, RequestError> {
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
