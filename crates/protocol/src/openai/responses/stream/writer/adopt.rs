//! Taking over an answer that was passed on, with its ids, places and numbers.

use bytes::BytesMut;
use serde_json::Value;

use super::{
    Open, Writer,
    spoken::{Message, Reasoning},
};
use crate::openai::responses::item::COMPLETED;

impl Writer {
    /// Takes in an event that was passed on, before it is written. `None` where its beginning cannot be gone on from.
    pub(crate) fn adopt(&mut self, wire: &Value) -> Option<()> {
        match wire["type"].as_str()? {
            "response.created" => {
                let id = wire.pointer("/response/id")?.as_str()?;
                self.reply.id = id.strip_prefix("resp_")?.to_owned();
                let created = wire.pointer("/response/created_at");
                // Some servers send a fraction.
                let created =
                    created.and_then(|at| at.as_i64().or_else(|| at.as_f64().map(|at| at as i64)));
                self.reply.created = created.unwrap_or(self.reply.created);
                Some(())
            }
            "response.output_item.added" => self.adopt_item(wire),
            "response.reasoning_summary_part.added" | "response.reasoning_summary_text.delta" => {
                (wire["summary_index"].as_u64().unwrap_or(0) == 0).then_some(())
            }
            "response.content_part.added" => self.adopt_part(wire),
            _ => Some(()),
        }
    }

    fn adopt_item(&mut self, wire: &Value) -> Option<()> {
        let place = usize::try_from(wire["output_index"].as_u64()?).ok()?;
        let id = wire.pointer("/item/id")?.as_str()?.to_owned();
        if place != self.places || !matches!(self.open, Open::Nothing) {
            return None;
        }
        let mut unsaid = BytesMut::new();
        self.open = match wire.pointer("/item/type")?.as_str()? {
            "message" => Open::Message(Message::open(id, place, &mut self.frames, &mut unsaid)),
            "reasoning" => {
                Open::Reasoning(Reasoning::open(id, place, &mut self.frames, &mut unsaid))
            }
            // The call is written next, and takes its place then.
            _ => return Some(()),
        };
        self.places += 1;
        Some(())
    }

    fn adopt_part(&mut self, wire: &Value) -> Option<()> {
        let Open::Message(message) = &mut self.open else {
            return None;
        };
        let is_refusal = match wire.pointer("/part/type")?.as_str()? {
            "output_text" => false,
            "refusal" => true,
            _ => return None,
        };
        let mut unsaid = BytesMut::new();
        message.begin_part(is_refusal, &mut self.frames, &mut unsaid);
        let index = wire["content_index"].as_u64()?;
        (message.last_part() == usize::try_from(index).ok()).then_some(())
    }

    /// Takes in the same event once it is written.
    pub(crate) fn keep_up(&mut self, wire: &Value) -> Option<()> {
        self.frames.go_on_after(wire["sequence_number"].as_u64()?);
        let kind = wire["type"].as_str()?;
        let mut unsaid = BytesMut::new();
        let frames = &mut self.frames.clone();
        match kind {
            "response.output_item.added" if wire.pointer("/item/type")? == "function_call" => {
                let id = wire.pointer("/item/id")?.as_str()?;
                let (_, call) = self.calls.iter_mut().next_back()?;
                call.rename(id);
            }
            "response.output_item.done" => {
                let id = wire.pointer("/item/id")?.as_str()?.to_owned();
                let call = self.calls.iter().find(|(_, call)| call.has_id(&id));
                match call.map(|(index, _)| *index) {
                    Some(index) => self.close_calls(vec![index], COMPLETED, &mut unsaid),
                    None => self.close_open(COMPLETED, &mut unsaid),
                }
            }
            _ => {
                if let Some(id) = wire["item_id"].as_str() {
                    self.is_open_here(id).then_some(())?;
                }
            }
        }
        self.frames = frames.clone();
        self.is_ending = kind.ends_with(".done") && kind != "response.output_item.done";
        Some(())
    }

    /// Whether the last event left nothing half closed.
    pub(crate) fn is_steady(&self) -> bool {
        !self.is_ending
    }

    fn is_open_here(&self, id: &str) -> bool {
        let open = match &self.open {
            Open::Nothing => false,
            Open::Message(message) => message.has_id(id),
            Open::Reasoning(reasoning) => reasoning.has_id(id),
        };
        open || self
            .calls
            .values()
            .any(|call| call.is_open() && call.has_id(id))
    }
}
