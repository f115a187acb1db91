//! Legacy Completions, for providers that have no such operation: the prompt becomes a message of the user, and the
//! answer to it is written as the text that goes on from there.

mod request;
mod response;
pub(crate) mod stream;

pub use request::read_request;
pub use response::write_response;

use crate::canonical::Finish;

/// The kind of every object of this form.
const OBJECT: &str = "text_completion";

/// The id of an answer; those of other forms would not be taken for one.
fn id(own: &str) -> String {
    format!("cmpl-{own}")
}

#[cfg(test)]
fn reply() -> crate::Reply {
    crate::Reply {
        request: std::sync::Arc::default(),
        id: "1".to_owned(),
        created: 7,
        model: "up".to_owned(),
        include_usage: false,
        prompt_tokens: 0,
        as_array: false,
    }
}

/// The `finish_reason` for a client.
fn finish_reason(finish: &Finish) -> &'static str {
    match finish {
        Finish::Stop | Finish::StopSequence(_) | Finish::Paused | Finish::ToolCalls => "stop",
        Finish::Length | Finish::ContextLength => "length",
        Finish::Filtered(_) | Finish::Refused(_) | Finish::Broken(_) => "content_filter",
    }
}
