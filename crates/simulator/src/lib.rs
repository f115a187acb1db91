//! A provider simulator with scriptable latency and faults: what the tests, the demo and the benchmarks talk to.
//!
//! It speaks HTTP/1.1 and HTTP/2 without TLS, in four dialects on one port, told apart by their paths:
//! - OpenAI: `/v1/chat/completions`, `completions`, `embeddings`, `models`, and audio, images, moderations, rerank;
//! - OpenAI's Responses: `/v1/responses` and `/v1/responses/input_tokens`;
//! - Anthropic: `/v1/messages`, its `count_tokens`, and `/v1/models` when `anthropic-version` is sent;
//! - Gemini: `/v1beta/models` and its verbs, also under `/v1` (the list by `x-goog-api-key`), streams as server-sent events or as an array.
//!
//! Each refuses what the real service refuses, in its words: unknown fields, wrong types, results that answer no call,
//! signatures that it has not made. Its answers depend on the request and the settings alone, so two simulators give
//! the same text, and a stream cut by one can be compared with another's. What is said is decided before it is put in
//! a dialect's words, so the same prompt means the same in each.
//!
//! What goes wrong is chosen per request, first match wins:
//! 1. a marker in the prompt, `[[sim:{"status":503}]]`, or `[[sim@NAME:{...}]]` for the simulator of that name only;
//! 2. the rules set by [`Simulator::set_rules`] or `POST /_sim/script`;
//! 3. the fault and its rate in [`SimulatorSettings`].
//!
//! A marker and the `do` of a rule are a [`Behaviour`], whose fields are all markers there are. Those that say what
//! is answered, the same in every dialect:
//!
//! | marker | answer |
//! |---|---|
//! | `{"text":"..."}` | exactly this text; before `tool_calls` where both are given; `""` for none |
//! | `{"content":"echo"}`, `"unicode"`, `"lorem"` | the prompt; many scripts, U+2028 and emoji; filler |
//! | `{"tokens":40}` | so many tokens, an event of a stream each |
//! | `{"heeds_no_cap":true}` | as many as without the cap that the request sets |
//! | `{"tool_calls":[{"name":"f","arguments":{}},{"name":"f"}]}` | these calls where tools are offered; `[]` for none |
//! | `{"calls_again":true}` | calls also right after the results of tools |
//! | `{"reasoning_tokens":5}`, `{"redacted_reasoning":true}` | thinking, where it is asked for; unreadable thinking |
//! | `{"refusal":"..."}`, `{"blocked":true}` | a refusal; a prompt that a filter stops |
//! | `{"finish":"length"}`, `"content_filter"`, `"stop"` | this end; `finish_reason` sets the dialect's own word |
//! | `{"cached_tokens":9,"cache_write_tokens":9}`, `{"usage":false}` | this usage; none |
//! | `{"sse":{"split_bytes":1,"ascii":true}}` | a stream cut anywhere; all but ASCII escaped |
//!
//! Without a marker a tool that is offered is called with arguments that obey its schema (the one demanded, else the
//! first, else all when parallel calls are asked for outright), the results of tools are quoted in the text after them
//! as `The tools say: a | b`, a schema is obeyed, and stop sequences, caps and numbers of choices are kept. A dialect
//! that has no word for something leaves it out, as its service does.
//!
//! `GET /_sim/requests` and [`Simulator::requests`] tell what arrived and how it ended. There is no protection against
//! its callers: it is for loopback.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), simulator::Error> {
//! use simulator::{Behaviour, Simulator, SimulatorSettings};
//!
//! let provider = Simulator::start(SimulatorSettings::default()).await?;
//! provider.fail_next(2, Behaviour::status(503));
//! assert!(provider.base_url().ends_with("/v1"));
//! assert!(provider.requests().is_empty());
//! # Ok(()) }
//! ```

mod answer;
mod anthropic;
mod ask;
mod behaviour;
mod body;
mod cloud;
mod control;
mod dialect;
mod error;
mod exchange;
mod faults;
mod fixed;
mod gemini;
mod journal;
mod memory;
mod openai;
mod reply;
mod respond;
mod schema;
mod script;
mod seal;
mod server;
mod settings;
mod shape;
mod text;
mod vector;
mod wire;

pub use behaviour::{
    Behaviour, CallSpec, Content, ErrorKind, Finish, KeepAlive, LineEnd, RetryAfter, SseShape,
};
pub use cloud::{AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY};
pub use error::Error;
pub use faults::{Fault, Place, Point};
pub use journal::{Counts, Outcome, Recorded};
pub use memory::MemoryStream;
pub use script::Rule;
pub use server::Simulator;
pub use settings::SimulatorSettings;
