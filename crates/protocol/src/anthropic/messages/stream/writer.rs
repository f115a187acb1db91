//! Writing events for a client.
//!
//! The grammar: `message_start`, then blocks, each with `content_block_start`, deltas and `content_block_stop`, one at a
//! time and numbered from 0, then `message_delta` and `message_stop`. Everything else than blocks is held back: the
//! start until something is said, for usage may come before it, and the end until [`Writer::finish`], for usage may come
//! after the reason.

use std::borrow::Cow;

use bytes::{BufMut, BytesMut};

use super::{
    arguments::{Balance, Queue, Waiting},
    frame::{Block, Delta, Empty, Frame, Message},
};
use crate::{
    ClientError, Reply, Usage,
    anthropic::{
        self,
        messages::response::{Stop, id, picture, reasons},
        usage::Written,
    },
    canonical::{Event, Family, Finish, Signature},
    estimate_tokens,
};

/// Writes events for a client.
#[derive(Debug, Clone)]
pub(crate) struct Writer {
    reply: Reply,
    id: Option<String>,
    model: Option<String>,
    usage: Option<Usage>,
    /// Bytes of text written, for an estimate of tokens.
    text_bytes: usize,
    begun: bool,
    ended: bool,
    /// Index of the block that is open, or of the next one.
    index: u32,
    open: Open,
    waiting: Queue,
    /// The index that the next new call must reach, so that none begins twice.
    next_call: u32,
    calls: bool,
    declines: bool,
    /// A block of reasoning was written.
    has_reasoned: bool,
    finish: Option<Finish>,
}

#[derive(Debug, Clone)]
enum Open {
    Nothing,
    Text,
    /// Whether its signature was written.
    Thinking {
        is_signed: bool,
    },
    Call {
        index: u32,
        balance: Balance,
    },
}

/// What a block is that was passed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Adopted {
    Nothing,
    Text,
    Thinking,
    /// Of a call, which was written before.
    Call,
}

impl Writer {
    pub(crate) fn new(reply: Reply) -> Self {
        Self {
            reply,
            id: None,
            model: None,
            usage: None,
            text_bytes: 0,
            begun: false,
            ended: false,
            index: 0,
            open: Open::Nothing,
            waiting: Queue::new(),
            next_call: 0,
            calls: false,
            declines: false,
            has_reasoned: false,
            finish: None,
        }
    }

    /// Writes what one event means; never called with an error or the end.
    pub(crate) fn write(&mut self, event: &Event<'_>, out: &mut BytesMut) {
        match event {
            Event::Start { id, model } => {
                self.id = id.as_deref().map(str::to_owned);
                self.model = model.as_deref().map(str::to_owned);
            }
            Event::Usage(usage) => self.usage = Some(*usage),
            // The format has one answer, and nothing after its end.
            _ if self.finish.is_some() || self.ended => {}
            Event::Text {
                choice: 0, text, ..
            } => self.text(text, out),
            Event::Refusal { choice: 0, text } => {
                self.declines = true;
                self.text(text, out);
            }
            Event::Image { choice: 0, media } => {
                if let Some(picture) = picture(media) {
                    self.text(&picture, out);
                }
            }
            Event::Thinking { choice: 0, text } => self.thinking(text, out),
            Event::Signature {
                choice: 0,
                signature,
                redacted,
            } => self.signature(signature, *redacted, out),
            Event::ToolCall {
                choice: 0,
                index,
                id,
                name,
            } => self.call(*index, id, name, out),
            Event::Arguments {
                choice: 0,
                index,
                json,
            } => self.arguments(*index, json, out),
            Event::Finish { choice: 0, reason } => {
                self.close_all(out);
                self.finish = Some(reason.clone());
            }
            _ => {}
        }
    }

    /// Ends a complete stream. Called once, after every answer has finished.
    pub(crate) fn finish(&mut self, out: &mut BytesMut) {
        if std::mem::replace(&mut self.ended, true) {
            return;
        }
        self.begin(out);
        self.close_all(out);
        let finish = self.finish.take().unwrap_or(Finish::Stop);
        let usage = self.usage.unwrap_or_else(|| {
            Usage::of_estimates(self.reply.prompt_tokens, estimate_tokens(self.text_bytes))
        });
        Frame::MessageDelta {
            delta: Stop::of(&finish, self.calls, self.declines),
            usage: Written::of(&usage),
        }
        .write(out);
        Frame::MessageStop {}.write(out);
    }

    /// Ends the stream with an error.
    pub(crate) fn fail(&mut self, error: &ClientError, out: &mut BytesMut) {
        self.ended = true;
        out.put_slice(anthropic::stream_error(error).as_bytes());
    }

    /// What was used before is not told.
    pub(crate) fn forget_usage(&mut self) {
        self.usage = None;
    }

    /// Goes on where blocks were passed on: `index` is that of the block that is open, or of the next one.
    pub(crate) fn adopt(&mut self, index: u32, open: Adopted) {
        self.begun = true;
        self.index = index;
        match open {
            Adopted::Nothing => self.open = Open::Nothing,
            Adopted::Text => self.open = Open::Text,
            Adopted::Thinking => {
                self.has_reasoned = true;
                self.open = Open::Thinking { is_signed: false };
            }
            Adopted::Call => {}
        }
    }

    fn begin(&mut self, out: &mut BytesMut) {
        if std::mem::replace(&mut self.begun, true) {
            return;
        }
        let known = Usage {
            completion: 0,
            reasoning: 0,
            ..self
                .usage
                .unwrap_or_else(|| Usage::of_estimates(self.reply.prompt_tokens, 0))
        };
        Frame::MessageStart {
            message: Message {
                id: id(self.id.as_deref(), &self.reply),
                r#type: "message",
                role: "assistant",
                model: self.model.as_deref().unwrap_or(&self.reply.model),
                content: [],
                stop_reason: None,
                stop_sequence: None,
                usage: Written::of(&known),
            },
        }
        .write(out);
    }

    fn start_block(&mut self, open: Open, content_block: Block<'_>, out: &mut BytesMut) {
        self.begin(out);
        Frame::ContentBlockStart {
            index: self.index,
            content_block,
        }
        .write(out);
        self.open = open;
    }

    fn delta(&self, delta: Delta<'_>, out: &mut BytesMut) {
        Frame::ContentBlockDelta {
            index: self.index,
            delta,
        }
        .write(out);
    }

    fn close(&mut self, out: &mut BytesMut) {
        if let Open::Thinking { is_signed: false } = self.open {
            let signature = Signature::NONE.carried().into();
            self.delta(Delta::Signature { signature }, out);
        }
        if !matches!(self.open, Open::Nothing) {
            Frame::ContentBlockStop { index: self.index }.write(out);
            self.open = Open::Nothing;
            self.index = self.index.saturating_add(1);
        }
    }

    /// Closes the open block and writes the calls that wait.
    fn close_all(&mut self, out: &mut BytesMut) {
        self.close(out);
        while let Some(call) = self.waiting.pop_front() {
            self.open_waiting(&call, out);
            self.close(out);
        }
    }

    fn text(&mut self, text: &str, out: &mut BytesMut) {
        if text.is_empty() {
            return;
        }
        if !matches!(self.open, Open::Text) {
            self.close_all(out);
            self.start_block(Open::Text, Block::Text { text: "" }, out);
        }
        self.text_bytes = self.text_bytes.saturating_add(text.len());
        self.delta(Delta::Text { text }, out);
    }

    fn start_thinking(&mut self, out: &mut BytesMut) {
        self.close_all(out);
        let block = Block::Thinking {
            thinking: "",
            signature: "",
        };
        self.has_reasoned = true;
        self.start_block(Open::Thinking { is_signed: false }, block, out);
    }

    fn start_redacted(&mut self, data: Cow<'_, str>, out: &mut BytesMut) {
        self.close_all(out);
        let block = Block::RedactedThinking { data };
        self.has_reasoned = true;
        self.start_block(Open::Thinking { is_signed: true }, block, out);
    }

    fn thinking(&mut self, text: &str, out: &mut BytesMut) {
        if text.is_empty() {
            return;
        }
        if !matches!(self.open, Open::Thinking { .. }) {
            self.start_thinking(out);
        }
        self.text_bytes = self.text_bytes.saturating_add(text.len());
        self.delta(Delta::Thinking { thinking: text }, out);
    }

    fn signature(&mut self, signature: &Signature, redacted: bool, out: &mut BytesMut) {
        let text = signature.write(Family::Anthropic);
        let is_hidden = !matches!(self.open, Open::Thinking { .. });
        if redacted || is_hidden && signature.family != Family::Anthropic {
            self.start_redacted(text, out);
        } else {
            if is_hidden {
                self.start_thinking(out);
            }
            self.delta(Delta::Signature { signature: text }, out);
            self.open = Open::Thinking { is_signed: true };
        }
        self.close(out);
    }

    fn call(&mut self, index: u32, id: &str, name: &str, out: &mut BytesMut) {
        if index < self.next_call {
            return;
        }
        self.next_call = index.saturating_add(1);
        self.text_bytes = self.text_bytes.saturating_add(name.len());
        let call = Waiting {
            index,
            id: id.to_owned(),
            name: name.to_owned(),
            arguments: String::new(),
        };
        match &self.open {
            Open::Call { balance, .. } if !balance.is_whole() => self.waiting.push_back(call),
            _ => {
                self.close_all(out);
                self.open_waiting(&call, out);
            }
        }
    }

    fn open_waiting(&mut self, call: &Waiting, out: &mut BytesMut) {
        // As in a whole answer.
        if !self.has_reasoned && reasons(&self.reply.request.reasoning) {
            self.start_redacted(Signature::NONE.carried().into(), out);
            self.close(out);
        }
        self.calls = true;
        let mut balance = Balance::default();
        balance.push(&call.arguments);
        let open = Open::Call {
            index: call.index,
            balance,
        };
        let block = Block::ToolUse {
            id: &call.id,
            name: &call.name,
            input: Empty {},
        };
        self.start_block(open, block, out);
        if !call.arguments.is_empty() {
            let partial_json = &call.arguments;
            self.delta(Delta::Arguments { partial_json }, out);
        }
    }

    fn arguments(&mut self, index: u32, json: &str, out: &mut BytesMut) {
        if json.is_empty() {
            return;
        }
        self.text_bytes = self.text_bytes.saturating_add(json.len());
        match &mut self.open {
            Open::Call {
                index: open,
                balance,
            } if *open == index => {
                balance.push(json);
                self.delta(Delta::Arguments { partial_json: json }, out);
                self.go_on(out);
            }
            _ => {
                // Calls wait in rising order.
                let at = self.waiting.binary_search_by_key(&index, |call| call.index);
                if let Some(call) = at.ok().and_then(|at| self.waiting.get_mut(at)) {
                    call.arguments.push_str(json);
                }
            }
        }
    }

    /// Opens the calls that wait, as far as the ones before them are whole.
    fn go_on(&mut self, out: &mut BytesMut) {
        while let Open::Call { balance, .. } = &self.open
            && balance.is_whole()
            && let Some(call) = self.waiting.pop_front()
        {
            self.close(out);
            self.open_waiting(&call, out);
        }
    }
}
