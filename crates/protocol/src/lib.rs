//! Wire formats of the LLM APIs: bytes in, bytes out.
//!
//! Nothing here does I/O or keeps time. A request is scanned once and borrowed ([`openai::Envelope`]), then changed by
//! splicing a few byte ranges ([`Splice`]) so that every field the gateway does not know survives as it came. An event
//! stream is cut into events ([`sse::Decoder`]) that are looked at, not rebuilt.
//!
//! ```
//! use protocol::{Endpoint, openai::Envelope};
//!
//! let body = br#"{"model":"fast","messages":[{"role":"user","content":"hi"}],"x-own":1}"#;
//! let envelope = Envelope::scan(Endpoint::ChatCompletions, body)?;
//! assert_eq!(envelope.model, "fast");
//! let sent: Vec<u8> = envelope.splice("gpt-5-mini").pieces(&bytes::Bytes::from_static(body)).concat();
//! assert_eq!(sent, br#"{"model":"gpt-5-mini","messages":[{"role":"user","content":"hi"}],"x-own":1}"#);
//! # Ok::<(), protocol::RequestError>(())
//! ```

mod endpoint;
mod error;
pub mod json;
pub mod openai;
mod retry_after;
mod splice;
pub mod sse;
mod usage;

pub use endpoint::{Endpoint, Protocol};
pub use error::{ClientError, ErrorKind, RequestError};
pub use retry_after::retry_after;
pub use splice::Splice;
pub use usage::{Usage, UsageSource, estimate_tokens};
