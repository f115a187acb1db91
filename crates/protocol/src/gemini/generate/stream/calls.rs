//! Calls of an answer whose arguments come in pieces: Gemini's come whole.

use crate::{
    canonical::{Json, Signature},
    gemini::generate::part::{FunctionCall, PartOut},
};

/// Calls that are not written yet, in order.
#[derive(Debug, Clone, Default)]
pub(super) struct Calls(Vec<Call>);

/// One of them.
#[derive(Debug, Clone)]
pub(super) struct Call {
    index: u32,
    id: String,
    name: String,
    arguments: String,
    signature: Option<Signature>,
    parsed: Option<Json>,
}

impl Calls {
    /// A call begins. Their indices rise.
    pub(super) fn begin(&mut self, index: u32, id: &str, name: &str, signature: Option<Signature>) {
        if self.0.last().is_some_and(|last| last.index >= index) {
            return;
        }
        self.0.push(Call {
            index,
            id: id.to_owned(),
            name: name.to_owned(),
            arguments: String::new(),
            signature,
            parsed: None,
        });
    }

    /// More of its arguments.
    pub(super) fn arguments(&mut self, index: u32, json: &str) {
        if let Some(call) = self.find(index) {
            call.arguments.push_str(json);
        }
    }

    /// All of them, complete; none are left.
    pub(super) fn take(&mut self) -> Vec<Call> {
        let mut calls = std::mem::take(&mut self.0);
        calls.iter_mut().for_each(Call::parse);
        calls
    }

    /// All of them, complete.
    pub(super) fn all(&mut self) -> &[Call] {
        self.0.iter_mut().for_each(Call::parse);
        &self.0
    }

    fn find(&mut self, index: u32) -> Option<&mut Call> {
        let at = self.0.binary_search_by_key(&index, |call| call.index);
        self.0.get_mut(at.ok()?)
    }
}

impl Call {
    fn parse(&mut self) {
        let text = match self.arguments.trim() {
            "" | "null" => "{}",
            text => text,
        };
        self.parsed = Json::parse(text).ok().filter(Json::is_object);
    }

    /// Writes it, if its arguments are an object; answers whether they are.
    pub(super) fn write<'a>(&'a self, parts: &mut Vec<PartOut<'a>>) -> bool {
        let Some(arguments) = &self.parsed else {
            return false;
        };
        let call = PartOut::call(FunctionCall {
            id: Some(&self.id),
            name: &self.name,
            args: arguments.raw(),
        });
        parts.push(call.signed(self.signature.as_ref()));
        true
    }
}
