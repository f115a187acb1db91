//! Writing events for a client.
//!
//! A message or a reasoning item is open until something else begins. Tool calls are items of their own that may be open side
//! by side, since the arguments of a provider's calls may interleave; the SDKs tell them apart by `output_index`. A call whose
//! arguments are a whole object ends as soon as something else begins, others when the answer ends.
//!
//! The last event repeats the whole output, so what was streamed is kept until then.

mod adopt;
mod call;
mod frame;
mod spoken;

use std::collections::BTreeMap;

use bytes::BytesMut;

use self::{
    call::Call,
    frame::{Frames, ItemAt, ResponseIs},
    spoken::{Message, Reasoning},
};
use super::{error_event, failure::response_code};
use crate::{
    ClientError, Reply, Usage,
    canonical::{Event, Finish, Signature},
    openai::responses::{
        item::{self, COMPLETED, IN_PROGRESS, INCOMPLETE, Item, Kind},
        reasoning,
        response::echo::{Answer, State},
    },
};

/// Writes events for a client.
#[derive(Debug, Clone)]
pub(crate) struct Writer {
    reply: Reply,
    frames: Frames,
    is_started: bool,
    is_over: bool,
    /// Where another's stream is followed: it has begun to end a part or an item.
    is_ending: bool,
    model: Option<String>,
    usage: Option<Usage>,
    finish: Option<Finish>,
    has_refusal: bool,
    open: Open,
    /// Calls by their index; those that have ended stay, so that what comes late for them is known for what it is.
    calls: BTreeMap<u32, Call>,
    /// Open calls whose arguments are whole.
    whole: Vec<u32>,
    /// Items that have ended, by their place.
    items: BTreeMap<usize, Item>,
    /// Places given away.
    places: usize,
}

/// What else than a call is open.
#[derive(Debug, Clone)]
enum Open {
    Nothing,
    Message(Message),
    Reasoning(Reasoning),
}

impl Writer {
    pub(crate) fn new(reply: Reply) -> Self {
        Self {
            reply,
            frames: Frames::default(),
            is_started: false,
            is_over: false,
            is_ending: false,
            model: None,
            usage: None,
            finish: None,
            has_refusal: false,
            open: Open::Nothing,
            calls: BTreeMap::new(),
            whole: Vec::new(),
            items: BTreeMap::new(),
            places: 0,
        }
    }

    /// Writes what one event means; never called with an error or the end. Only the first answer has a place in the format.
    pub(crate) fn write(&mut self, event: &Event<'_>, out: &mut BytesMut) {
        if self.is_over {
            return;
        }
        match event {
            Event::Start { model, .. } if !self.is_started => {
                self.model = model.as_ref().map(|model| model.clone().into_owned());
                self.start(out);
            }
            Event::Usage(usage) => self.usage = Some(*usage),
            Event::Text { choice: 0, .. }
            | Event::Refusal { choice: 0, .. }
            | Event::Thinking { choice: 0, .. }
            | Event::Signature { choice: 0, .. }
            | Event::ToolCall { choice: 0, .. }
            | Event::Arguments { choice: 0, .. }
            | Event::Image { choice: 0, .. }
                if self.finish.is_none() =>
            {
                self.start(out);
                self.content(event, out);
            }
            Event::Finish { choice: 0, reason } if self.finish.is_none() => {
                self.finish = Some(reason.clone());
            }
            _ => {}
        }
    }

    /// What was used before is not told.
    pub(crate) fn forget_usage(&mut self) {
        self.usage = None;
    }

    /// The client gets nothing more of what was written, of which it has something or nothing.
    pub(crate) fn retract(&mut self, is_begun: bool) {
        self.items.clear();
        (self.is_started, self.is_over) = (self.is_started && is_begun, false);
    }

    fn content(&mut self, event: &Event<'_>, out: &mut BytesMut) {
        match event {
            Event::Text { text, logprobs, .. } if !text.is_empty() || !logprobs.is_empty() => {
                let (frames, message) = self.message(out);
                message.text(text, logprobs, frames, out);
            }
            Event::Refusal { text, .. } if !text.is_empty() => {
                self.has_refusal = true;
                let (frames, message) = self.message(out);
                message.refusal(text, frames, out);
            }
            Event::Thinking { text, .. } if !text.is_empty() => {
                let (frames, reasoning) = self.reasoning(out);
                reasoning.think(text, frames, out);
            }
            Event::Signature {
                signature,
                redacted,
                ..
            } => self.sign(signature, *redacted, out),
            Event::ToolCall {
                index, id, name, ..
            } if !self.calls.contains_key(index) => {
                self.close(out);
                let place = self.place();
                let call = Call::open(
                    Kind::Call.id(&self.reply.id, place),
                    place,
                    (id, name),
                    &mut self.frames,
                    out,
                );
                self.calls.insert(*index, call);
            }
            Event::Arguments { index, json, .. } => {
                if let Some(call) = self.calls.get_mut(index)
                    && call.arguments(json, &mut self.frames, out)
                {
                    self.whole.push(*index);
                }
            }
            Event::Image { media, .. } => {
                if let Some(picture) = item::picture(media) {
                    self.close(out);
                    self.image(picture, out);
                } else if let Some(text) = item::address(media) {
                    let (frames, message) = self.message(out);
                    message.text(&text, &[], frames, out);
                }
            }
            _ => {}
        }
    }

    /// Ends a complete stream. Called once, after every answer has finished.
    pub(crate) fn finish(&mut self, out: &mut BytesMut) {
        if self.is_over {
            return;
        }
        self.start(out);
        let finish = self.finish.take().unwrap_or(Finish::Stop);
        if let Finish::Refused(Some(why)) = &finish
            && !self.has_refusal
            && !why.is_empty()
        {
            self.has_refusal = true;
            let (frames, message) = self.message(out);
            message.refusal(why, frames, out);
        }
        let (status, reason) = item::status(&finish, self.has_refusal);
        self.close_all(status, out);
        let event = if status == INCOMPLETE {
            "response.incomplete"
        } else {
            "response.completed"
        };
        self.tell(event, (status, reason), None, out);
        self.is_over = true;
    }

    /// Ends the stream with an error: the event that SDKs raise and, where the answer has begun, the state that it is left in.
    pub(crate) fn fail(&mut self, error: &ClientError, out: &mut BytesMut) {
        if self.is_over {
            return;
        }
        out.extend_from_slice(&error_event(self.frames.take_number(), error));
        if self.is_started {
            let told = (response_code(error), error.message.as_str());
            self.tell("response.failed", ("failed", None), Some(told), out);
        }
        self.is_over = true;
    }

    fn start(&mut self, out: &mut BytesMut) {
        if self.is_started {
            return;
        }
        self.is_started = true;
        for event in ["response.created", "response.in_progress"] {
            self.tell(event, (IN_PROGRESS, None), None, out);
        }
    }

    /// Writes an event that holds the whole answer as it is now.
    fn tell(
        &mut self,
        event: &'static str,
        (status, reason): (&'static str, Option<&'static str>),
        error: Option<(&'static str, &str)>,
        out: &mut BytesMut,
    ) {
        let output: Vec<Item> = std::mem::take(&mut self.items).into_values().collect();
        let state = State {
            status,
            reason,
            error,
            model: self.model.as_deref(),
            created: self.reply.created,
            tier: None,
            output: &output,
            usage: self.usage.filter(|_| status != IN_PROGRESS),
        };
        let response = Answer::new(&self.reply, state);
        self.frames.event(event, &ResponseIs { response }, out);
    }

    fn place(&mut self) -> usize {
        let place = self.places;
        self.places += 1;
        place
    }

    fn message(&mut self, out: &mut BytesMut) -> (&mut Frames, &mut Message) {
        if !matches!(self.open, Open::Message(_)) {
            self.close(out);
            let place = self.place();
            let id = Kind::Message.id(&self.reply.id, place);
            self.open = Open::Message(Message::open(id, place, &mut self.frames, out));
        }
        match &mut self.open {
            Open::Message(message) => (&mut self.frames, message),
            Open::Nothing | Open::Reasoning(_) => unreachable!("a message was opened above"),
        }
    }

    fn reasoning(&mut self, out: &mut BytesMut) -> (&mut Frames, &mut Reasoning) {
        if !matches!(self.open, Open::Reasoning(_)) {
            self.close(out);
            let place = self.place();
            let id = Kind::Reasoning.id(&self.reply.id, place);
            self.open = Open::Reasoning(Reasoning::open(id, place, &mut self.frames, out));
        }
        match &mut self.open {
            Open::Reasoning(reasoning) => (&mut self.frames, reasoning),
            Open::Nothing | Open::Message(_) => unreachable!("reasoning was opened above"),
        }
    }

    /// Ends the reasoning that is open; where none is, the item holds nothing but the signature.
    fn sign(&mut self, signature: &Signature, redacted: bool, out: &mut BytesMut) {
        let (_, reasoning) = self.reasoning(out);
        reasoning.sign(reasoning::carried(signature, redacted));
        self.close(out);
    }

    fn image(&mut self, picture: &str, out: &mut BytesMut) {
        let place = self.place();
        let item = |status, result| Item::ImageGenerationCall {
            id: Kind::Image.id(&self.reply.id, place),
            status,
            result,
        };
        let (begun, whole) = (
            item(IN_PROGRESS, None),
            item(COMPLETED, Some(picture.to_owned())),
        );
        self.frames.added(place, &begun, out);
        self.end(place, whole, out);
    }

    /// Ends what is open before something else begins.
    fn close(&mut self, out: &mut BytesMut) {
        self.close_open(COMPLETED, out);
        let mut whole = std::mem::take(&mut self.whole);
        whole.sort_unstable();
        self.close_calls(whole, COMPLETED, out);
    }

    fn close_all(&mut self, status: &'static str, out: &mut BytesMut) {
        let open = self.calls.iter().filter(|(_, call)| call.is_open());
        let open: Vec<u32> = open.map(|(index, _)| *index).collect();
        // What is followed by calls was whole before them.
        let before = if open.is_empty() { status } else { COMPLETED };
        self.close_open(before, out);
        self.close_calls(open, status, out);
    }

    fn close_open(&mut self, status: &'static str, out: &mut BytesMut) {
        let (place, item) = match std::mem::replace(&mut self.open, Open::Nothing) {
            Open::Nothing => return,
            Open::Message(message) => message.close(status, &mut self.frames, out),
            Open::Reasoning(reasoning) => reasoning.close(status, &mut self.frames, out),
        };
        self.end(place, item, out);
    }

    fn close_calls(&mut self, ending: Vec<u32>, status: &'static str, out: &mut BytesMut) {
        for index in ending {
            if let Some(call) = self.calls.get_mut(&index) {
                let status = if call.is_whole() { COMPLETED } else { status };
                let (place, item) = call.close(status, &mut self.frames, out);
                self.end(place, item, out);
            }
        }
    }

    fn end(&mut self, output_index: usize, item: Item, out: &mut BytesMut) {
        let body = ItemAt {
            output_index,
            item: &item,
        };
        self.frames.event("response.output_item.done", &body, out);
        self.items.insert(output_index, item);
    }
}

#[cfg(test)]
mod tests;
