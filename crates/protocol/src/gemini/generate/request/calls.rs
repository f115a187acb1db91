//! Ids of calls, which Gemini need not have, and the results that belong to them.

use std::collections::{HashMap, HashSet, VecDeque};

/// The calls of a conversation.
#[derive(Debug, Default)]
pub(super) struct Calls {
    ids: HashSet<String>,
    made: usize,
    /// Where the message of its results stands, or would.
    results_at: usize,
    /// Of the last turn that called.
    turn: Vec<Call>,
    by_id: HashMap<String, VecDeque<usize>>,
    by_name: HashMap<String, VecDeque<usize>>,
}

/// One of them.
#[derive(Debug, Clone)]
pub(super) struct Call {
    /// In the canonical form, unique.
    pub(super) id: String,
    pub(super) name: String,
    is_answered: bool,
}

impl Calls {
    /// A new turn, whose results are yet to come.
    pub(super) fn begin_turn(&mut self) {
        self.turn.clear();
        self.by_id.clear();
        self.by_name.clear();
    }

    /// The turn is over, and `messages` were said up to here.
    pub(super) fn end_turn(&mut self, messages: usize) {
        self.results_at = messages;
    }

    /// Where the message of the turn's results stands, or would.
    pub(super) fn results_at(&self) -> usize {
        self.results_at
    }

    /// Notes a call of part `part` of content `content`; answers its id: the client's where no other call has it, or one made
    /// of its place, so that the next request of the same conversation has the same.
    pub(super) fn call(
        &mut self,
        own: Option<&str>,
        name: &str,
        (content, part): (usize, usize),
    ) -> String {
        let index = self.turn.len();
        let id = match own {
            Some(own) if self.ids.insert(own.to_owned()) => own.to_owned(),
            _ => self.make(content, part),
        };
        if let Some(own) = own {
            self.by_id
                .entry(own.to_owned())
                .or_default()
                .push_back(index);
        }
        self.by_name
            .entry(name.to_owned())
            .or_default()
            .push_back(index);
        self.turn.push(Call {
            id: id.clone(),
            name: name.to_owned(),
            is_answered: false,
        });
        id
    }

    /// The call that a result answers: the one of that id, else the first of that name that has none yet.
    pub(super) fn answer(&mut self, own: Option<&str>, name: &str) -> Option<&Call> {
        let waiting = match own.and_then(|own| self.by_id.get_mut(own)) {
            Some(waiting) => waiting,
            None => self.by_name.get_mut(name)?,
        };
        while let Some(index) = waiting.pop_front() {
            let call = self.turn.get_mut(index)?;
            if !call.is_answered {
                call.is_answered = true;
                return self.turn.get(index);
            }
        }
        None
    }

    fn make(&mut self, content: usize, part: usize) -> String {
        let mut id = format!("call_{}_{content}x{part}", self.made);
        self.made += 1;
        while !self.ids.insert(id.clone()) {
            id.push('x');
        }
        id
    }
}
