//! Writing chunks for a client.

use std::collections::{BTreeMap, HashMap, btree_map::Entry};

use bytes::{BufMut, BytesMut};
use serde::Serialize;

use crate::{
    ClientError, Reply, Usage,
    canonical::{Event, Finish, Media, Signature, Thinking, TokenLogprob},
    openai::{
        chat::{
            images::Image,
            logprobs::Logprobs,
            response,
            thinking::{Block, Pieces},
        },
        stream_error, usage,
    },
};

/// Writes events for a client.
#[derive(Debug, Clone)]
pub(crate) struct Writer {
    reply: Reply,
    /// The answer's id, where its beginning was passed on.
    own_id: Option<String>,
    /// What every chunk begins with, up to its choices; empty before the first.
    head: Vec<u8>,
    choices: BTreeMap<u32, Progress>,
    usage: Option<Usage>,
}

/// How far an answer has come.
#[derive(Debug, Clone, Default)]
struct Progress {
    pieces: Pieces,
    /// The reasoning part that is open, to be repeated with its signature.
    thinking: String,
    blocks: usize,
    images: usize,
    has_refusal: bool,
    /// The place of each call among the client's, and whether arguments came.
    calls: HashMap<u32, (usize, bool)>,
    has_finished: bool,
}

#[derive(Serialize, Default)]
struct Delta<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refusal: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning_content: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thinking_blocks: Option<[Block; 1]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    images: Option<[Image; 1]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_calls: Option<[Call<'a>; 1]>,
}

#[derive(Serialize)]
struct Call<'a> {
    index: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    r#type: Option<&'static str>,
    function: Function<'a>,
}

#[derive(Serialize)]
struct Function<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    arguments: &'a str,
}

#[derive(Serialize)]
struct Choice<'a> {
    index: u32,
    delta: Delta<'a>,
    logprobs: Option<Logprobs>,
    finish_reason: Option<&'static str>,
}

impl Writer {
    pub(crate) fn new(reply: Reply) -> Self {
        Self {
            reply,
            own_id: None,
            head: Vec::new(),
            choices: BTreeMap::new(),
            usage: None,
        }
    }

    /// Writes what one event means; never called with an error or the end.
    pub(crate) fn write(&mut self, event: &Event<'_>, out: &mut BytesMut) {
        match event {
            Event::Start { id, model } => {
                self.start(id.as_deref(), model.as_deref());
                self.progress(0, out);
            }
            Event::Usage(usage) => self.usage = Some(*usage),
            Event::Text {
                choice,
                text,
                logprobs,
            } => self.text(*choice, text, logprobs, out),
            Event::Refusal { choice, text } => self.refusal(*choice, text, out),
            Event::Thinking { choice, text } => self.thinking(*choice, text, out),
            Event::Signature {
                choice,
                signature,
                redacted,
            } => self.signature(*choice, signature, *redacted, out),
            Event::ToolCall {
                choice,
                index,
                id,
                name,
            } => self.call(*choice, *index, (id, name), out),
            Event::Arguments {
                choice,
                index,
                json,
            } => self.arguments(*choice, *index, json, out),
            Event::Image { choice, media } => self.image(*choice, media, out),
            Event::Finish { choice, reason } => self.end(*choice, reason, out),
            Event::Error(_) | Event::End => {}
        }
    }

    /// Ends a complete stream. Called once, after every answer has finished.
    pub(crate) fn finish(&mut self, out: &mut BytesMut) {
        if let (Some(usage), true) = (self.usage, self.reply.include_usage) {
            self.start(None, None);
            out.extend_from_slice(&self.head);
            out.extend_from_slice(b"],\"usage\":");
            json(&usage::Told::of(&usage), out);
            out.extend_from_slice(b"}\n\n");
        }
        out.extend_from_slice(b"data: [DONE]\n\n");
    }

    /// Ends the stream with an error.
    pub(crate) fn fail(&mut self, error: &ClientError, out: &mut BytesMut) {
        out.extend_from_slice(stream_error(error).as_bytes());
    }

    /// What was used before is not told.
    pub(crate) fn forget_usage(&mut self) {
        self.usage = None;
    }

    /// Goes on where chunks were passed on, which are headed so.
    pub(crate) fn adopt(&mut self, id: Option<&str>, created: Option<i64>) {
        if self.head.is_empty() {
            self.own_id = id.map(str::to_owned);
            self.reply.created = created.unwrap_or(self.reply.created);
        }
    }

    /// Settles what all chunks have in common.
    fn start(&mut self, id: Option<&str>, model: Option<&str>) {
        #[derive(Serialize)]
        struct Head<'a> {
            id: String,
            object: &'static str,
            created: i64,
            model: &'a str,
        }

        if !self.head.is_empty() {
            return;
        }
        let head = Head {
            id: self
                .own_id
                .clone()
                .unwrap_or_else(|| response::id(id, &self.reply.id)),
            object: "chat.completion.chunk",
            created: self.reply.created,
            model: model.unwrap_or(&self.reply.model),
        };
        let mut text = BytesMut::from("data: ");
        json(&head, &mut text);
        text.truncate(text.len() - 1);
        text.extend_from_slice(b",\"choices\":[");
        self.head = text.into();
    }

    /// An answer that is still open, begun if this is the first of it.
    fn progress(&mut self, choice: u32, out: &mut BytesMut) -> Option<&mut Progress> {
        if let Entry::Vacant(vacant) = self.choices.entry(choice) {
            vacant.insert(Progress::default());
            let delta = Delta {
                role: Some("assistant"),
                content: Some(""),
                ..Delta::default()
            };
            self.chunk(choice, delta, None, None, out);
        }
        let progress = self.choices.get_mut(&choice);
        progress.filter(|progress| !progress.has_finished)
    }

    fn chunk(
        &mut self,
        choice: u32,
        delta: Delta<'_>,
        logprobs: Option<Logprobs>,
        finish_reason: Option<&'static str>,
        out: &mut BytesMut,
    ) {
        self.start(None, None);
        out.extend_from_slice(&self.head);
        let choice = Choice {
            index: choice,
            delta,
            logprobs,
            finish_reason,
        };
        json(&choice, out);
        let end: &[u8] = if self.reply.include_usage {
            b"],\"usage\":null}\n\n"
        } else {
            b"]}\n\n"
        };
        out.extend_from_slice(end);
    }

    fn text(&mut self, choice: u32, text: &str, logprobs: &[TokenLogprob], out: &mut BytesMut) {
        let Some(progress) = self.progress(choice, out) else {
            return;
        };
        let logprobs = Logprobs::of(logprobs);
        if text.is_empty() && logprobs.is_none() {
            return;
        }
        if !text.is_empty() {
            progress.pieces.text();
            progress.thinking.clear();
        }
        let delta = Delta {
            content: Some(text),
            ..Delta::default()
        };
        self.chunk(choice, delta, logprobs, None, out);
    }

    fn refusal(&mut self, choice: u32, text: &str, out: &mut BytesMut) {
        let Some(progress) = self.progress(choice, out) else {
            return;
        };
        progress.pieces.refusal();
        progress.thinking.clear();
        progress.has_refusal = true;
        let delta = Delta {
            refusal: Some(text),
            ..Delta::default()
        };
        self.chunk(choice, delta, None, None, out);
    }

    fn thinking(&mut self, choice: u32, text: &str, out: &mut BytesMut) {
        let Some(progress) = self.progress(choice, out) else {
            return;
        };
        progress.thinking.push_str(text);
        let delta = Delta {
            reasoning_content: Some(text),
            ..Delta::default()
        };
        self.chunk(choice, delta, None, None, out);
    }

    fn signature(
        &mut self,
        choice: u32,
        signature: &Signature,
        redacted: bool,
        out: &mut BytesMut,
    ) {
        let Some(progress) = self.progress(choice, out) else {
            return;
        };
        let thinking = Thinking {
            text: if redacted {
                String::new()
            } else {
                std::mem::take(&mut progress.thinking)
            },
            signature: Some(signature.clone()),
            redacted,
        };
        let mut block = Block::of(&thinking, progress.pieces.count());
        block.index = Some(progress.blocks);
        progress.blocks += 1;
        let delta = Delta {
            thinking_blocks: Some([block]),
            ..Delta::default()
        };
        self.chunk(choice, delta, None, None, out);
    }

    fn call(&mut self, choice: u32, index: u32, (id, name): (&str, &str), out: &mut BytesMut) {
        let Some(progress) = self.progress(choice, out) else {
            return;
        };
        let place = progress.calls.len();
        if progress.calls.contains_key(&index) {
            return;
        }
        progress.calls.insert(index, (place, false));
        progress.pieces.other();
        progress.thinking.clear();
        let call = Call {
            index: place,
            id: Some(id),
            r#type: Some("function"),
            function: Function {
                name: Some(name),
                arguments: "",
            },
        };
        self.called(choice, call, out);
    }

    fn arguments(&mut self, choice: u32, index: u32, json: &str, out: &mut BytesMut) {
        let progress = self.progress(choice, out);
        let Some((place, has_arguments)) =
            progress.and_then(|progress| progress.calls.get_mut(&index))
        else {
            return;
        };
        *has_arguments |= !json.trim().is_empty();
        let call = Call {
            index: *place,
            id: None,
            r#type: None,
            function: Function {
                name: None,
                arguments: json,
            },
        };
        self.called(choice, call, out);
    }

    fn called(&mut self, choice: u32, call: Call<'_>, out: &mut BytesMut) {
        let delta = Delta {
            tool_calls: Some([call]),
            ..Delta::default()
        };
        self.chunk(choice, delta, None, None, out);
    }

    fn image(&mut self, choice: u32, media: &Media, out: &mut BytesMut) {
        let Some(progress) = self.progress(choice, out) else {
            return;
        };
        let Some(image) = Image::of(media, Some(progress.images)) else {
            return;
        };
        progress.images += 1;
        progress.pieces.other();
        progress.thinking.clear();
        let delta = Delta {
            images: Some([image]),
            ..Delta::default()
        };
        self.chunk(choice, delta, None, None, out);
    }

    fn end(&mut self, choice: u32, reason: &Finish, out: &mut BytesMut) {
        // What is broken is told as an error.
        if matches!(reason, Finish::Broken(_)) || self.progress(choice, out).is_none() {
            return;
        }
        if let Finish::Refused(Some(why)) = reason
            && !self.has_refusal(choice)
        {
            self.refusal(choice, why, out);
        }
        for place in self.bare_calls(choice) {
            let call = Call {
                index: place,
                id: None,
                r#type: None,
                function: Function {
                    name: None,
                    arguments: "{}",
                },
            };
            self.called(choice, call, out);
        }
        let reason = response::finish_reason(reason, self.has_refusal(choice));
        self.chunk(choice, Delta::default(), None, Some(reason), out);
        if let Some(progress) = self.choices.get_mut(&choice) {
            progress.has_finished = true;
        }
    }

    fn has_refusal(&self, choice: u32) -> bool {
        let progress = self.choices.get(&choice);
        progress.is_some_and(|progress| progress.has_refusal)
    }

    /// The calls that got no arguments: nothing is no JSON.
    fn bare_calls(&self, choice: u32) -> Vec<usize> {
        let calls = self.choices.get(&choice).map(|progress| &progress.calls);
        let bare = calls.into_iter().flat_map(HashMap::values);
        let mut bare: Vec<usize> = bare
            .filter(|(_, has_arguments)| !has_arguments)
            .map(|(place, _)| *place)
            .collect();
        bare.sort_unstable();
        bare
    }
}

/// Writes a value of ours, whose keys are strings, into memory: neither can fail.
fn json<T: Serialize>(value: &T, out: &mut BytesMut) {
    serde_json::to_writer(out.writer(), value).expect("keys of our types are strings");
}
