//! Wire formats of the LLM APIs: bytes in, bytes out.
//!
//! Nothing here does I/O or keeps time. A request is scanned once and borrowed ([`Envelope`]). Where the provider speaks
//! as the client does it is changed by splicing a few byte ranges ([`Splice`]), so that every field the gateway does not
//! know survives as it came, and an event stream is cut into events ([`sse::Decoder`]) that are looked at, not rebuilt.
//! Where they speak differently, requests, answers and streams go by way of the [`canonical`] form ([`read_request`],
//! [`write_request`], [`Stream`]), and what a format cannot say is named as left out or refused.
//!
//! ```
//! use protocol::{Endpoint, Envelope};
//!
//! let body = br#"{"model":"fast","messages":[{"role":"user","content":"hi"}],"x-own":1}"#;
//! let envelope = Envelope::scan(Endpoint::ChatCompletions, None, body)?;
//! assert_eq!(envelope.model, "fast");
//! let sent: Vec<u8> = envelope.splice(&protocol::Outgoing { model: Some("gpt-5-mini"), ..Default::default() }).pieces(&bytes::Bytes::from_static(body)).concat();
//! assert_eq!(sent, br#"{"model":"gpt-5-mini","messages":[{"role":"user","content":"hi"}],"x-own":1}"#);
//! # Ok::<(), protocol::RequestError>(())
//! ```

pub mod anthropic;
pub mod bedrock;
pub mod canonical;
mod count;
mod endpoint;
mod envelope;
mod error;
mod feature;
mod format;
pub mod gemini;
mod inspect;
pub mod json;
mod lent;
mod listen;
pub mod openai;
mod provider_error;
mod resume;
mod retry_after;
mod screen;
mod splice;
pub mod sse;
mod stream;
mod texts;
mod traits;
mod translate;
mod usage;

pub use count::{read_count, read_count_request, write_count_answer};
pub use endpoint::{Endpoint, Operation, Protocol};
pub use envelope::{Envelope, Needs, Orchestration, Outgoing, rewrite_form_texts};
pub use error::{ClientError, ErrorKind, Malformed, RequestError, Unusable};
pub use feature::{Carry, Feature, Refusal, Row, TABLE, document};
pub use format::Format;
pub use inspect::{Answer, Inspected};
pub use listen::Listener;
pub use provider_error::ProviderError;
pub use resume::Resumption;
pub use retry_after::{exhausted, retry_after};
pub use screen::{Denied, Screen, Window};
pub use splice::Splice;
pub use stream::{Said, Step, Stream};
pub use texts::{Speaker, read_texts, rewrite_texts};
pub use traits::{ThinkingStyle, Traits};
pub use translate::{
    Reply, Target, TranslateError, Translated, read_request, read_response, write_count,
    write_request, write_response,
};
pub use usage::{Media, Usage, UsageSource, estimate_tokens};
