//! A provider simulator with scriptable latency and faults: what the tests, the demo and the benchmarks talk to.
//!
//! It speaks the OpenAI protocol on HTTP/1.1 and HTTP/2 without TLS, and refuses what the real service refuses: unknown
//! fields, wrong types, tool messages that answer no call. Its answers depend on the request and the settings alone, so
//! two simulators give the same text, and a stream cut by one can be compared with another's.
//!
//! What goes wrong is chosen per request, first match wins:
//! 1. a marker in the prompt, `[[sim:{"status":503}]]`, or `[[sim@NAME:{...}]]` for the simulator of that name only;
//! 2. the rules set by [`Simulator::set_rules`] or `POST /_sim/script`;
//! 3. the fault and its rate in [`SimulatorSettings`].
//!
//! A marker and the `do` of a rule are a [`Behaviour`]. `GET /_sim/requests` and [`Simulator::requests`] tell what
//! arrived and how it ended. There is no protection against its callers: it is for loopback.
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
mod behaviour;
mod body;
mod control;
mod error;
mod faults;
mod fixed;
mod journal;
mod openai;
mod respond;
mod schema;
mod script;
mod server;
mod settings;
mod text;
mod wire;

pub use behaviour::{Behaviour, Content, ErrorKind, KeepAlive, LineEnd, RetryAfter, SseShape};
pub use error::Error;
pub use faults::{Fault, Point};
pub use journal::{Counts, Outcome, Recorded};
pub use script::Rule;
pub use server::Simulator;
pub use settings::SimulatorSettings;
