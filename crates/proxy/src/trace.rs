//! W3C trace context: whose trace a request belongs to, and what its attempts tell providers of it.
//!
//! <https://www.w3.org/TR/trace-context/>

use http::{HeaderMap, HeaderName, HeaderValue};
use stats::Trace;

const PARENT: HeaderName = HeaderName::from_static("traceparent");
const STATE: HeaderName = HeaderName::from_static("tracestate");
/// Longest `tracestate` that is passed on.
const STATE_BYTES: usize = 512;

/// How many of the requests that come without a trace begin one that is exported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sampling(u64);

impl Sampling {
    /// The random part of a trace's id is at least its 56 rightmost bits.
    const BITS: u32 = 56;

    /// This share of them, from 0 to 1.
    #[must_use]
    pub fn of(share: f64) -> Self {
        Self((share.clamp(0.0, 1.0) * (1_u64 << Self::BITS) as f64) as u64)
    }

    fn takes(self, trace_id: u128) -> bool {
        let random = trace_id as u64 & ((1 << Self::BITS) - 1);
        random < self.0
    }
}

/// The trace of a request with these headers: its caller's, sampled as the caller says; else a new one.
pub(crate) fn begin(headers: &HeaderMap, sampling: Sampling) -> Trace {
    let span_id = span_id();
    match caller(headers) {
        Some((trace_id, parent_id, is_sampled)) => Trace {
            trace_id,
            span_id,
            parent_id: Some(parent_id),
            is_sampled,
            state: state(headers),
            attempts: Vec::new(),
        },
        None => {
            let trace_id = fastrand::u128(1..);
            Trace {
                trace_id,
                span_id,
                parent_id: None,
                is_sampled: sampling.takes(trace_id),
                state: None,
                attempts: Vec::new(),
            }
        }
    }
}

/// A new span's id.
pub(crate) fn span_id() -> u64 {
    fastrand::u64(1..)
}

/// What an attempt tells its provider.
#[derive(Debug)]
pub(crate) struct Context {
    parent: HeaderValue,
    state: Option<HeaderValue>,
}

impl Context {
    /// Of the attempt whose span this is.
    pub(crate) fn of(trace: &Trace, span_id: u64) -> Option<Self> {
        let flags = u8::from(trace.is_sampled);
        let parent = format!("00-{:032x}-{span_id:016x}-{flags:02x}", trace.trace_id);
        Some(Self {
            parent: HeaderValue::try_from(parent).ok()?,
            state: trace
                .state
                .as_deref()
                .and_then(|state| HeaderValue::from_str(state).ok()),
        })
    }

    pub(crate) fn put(&self, headers: &mut HeaderMap) {
        headers.insert(PARENT, self.parent.clone());
        if let Some(state) = &self.state {
            headers.insert(STATE, state.clone());
        }
    }
}

/// Trace, span and whether it is sampled, where the one `traceparent` is well-formed. A later version than 00 may have
/// more fields.
fn caller(headers: &HeaderMap) -> Option<(u128, u64, bool)> {
    let mut given = headers.get_all(PARENT).iter();
    let (Some(parent), None) = (given.next(), given.next()) else {
        return None;
    };
    let mut fields = parent.to_str().ok()?.split('-');
    let version = hex(fields.next()?, 2)?;
    let trace_id = hex(fields.next()?, 32)?;
    let span_id = hex(fields.next()?, 16)?;
    let flags = hex(fields.next()?, 2)?;
    let is_known = version < 0xff && (version > 0 || fields.next().is_none());
    let span_id = u64::try_from(span_id).ok()?;
    (is_known && trace_id != 0 && span_id != 0).then_some((trace_id, span_id, flags & 1 == 1))
}

/// Exactly so many digits, none of them in upper case.
fn hex(text: &str, digits: usize) -> Option<u128> {
    let is_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    let fits = text.len() == digits && text.bytes().all(is_hex);
    fits.then(|| u128::from_str_radix(text, 16).ok()).flatten()
}

/// All its lines, unless they are too long or no text.
fn state(headers: &HeaderMap) -> Option<String> {
    let lines = headers.get_all(STATE).iter();
    let lines: Vec<_> = lines
        .map(HeaderValue::to_str)
        .collect::<Result<_, _>>()
        .ok()?;
    let joined = lines.join(",");
    (!joined.is_empty() && joined.len() <= STATE_BYTES).then_some(joined)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
    const SPAN: &str = "00f067aa0ba902b7";

    fn headers(lines: &[(HeaderName, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(name, HeaderValue::from_str(value).unwrap());
        }
        headers
    }

    #[track_caller]
    fn check(parent: &str, is_heeded: bool) {
        let trace = begin(&headers(&[(PARENT, parent)]), Sampling::of(0.0));
        assert_eq!(trace.parent_id.is_some(), is_heeded, "{parent}");
    }

    #[test]
    fn only_a_well_formed_parent_is_heeded() {
        check(&format!("00-{TRACE}-{SPAN}-01"), true);
        check(&format!("00-{TRACE}-{SPAN}-00"), true);
        check(&format!("cc-{TRACE}-{SPAN}-01-more"), true);
        check(&format!("00-{TRACE}-{SPAN}-01-more"), false);
        check(&format!("ff-{TRACE}-{SPAN}-01"), false);
        check(&format!("00-{}-{SPAN}-01", TRACE.to_uppercase()), false);
        check(&format!("00-{}-{SPAN}-01", "0".repeat(32)), false);
        check(&format!("00-{TRACE}-{}-01", "0".repeat(16)), false);
        check(&format!("00-{TRACE}-{SPAN}"), false);
        check(&format!("00-{TRACE}-+{}-01", &SPAN[1..]), false);
        check("", false);
    }

    #[test]
    fn the_callers_trace_goes_on_to_providers() {
        let parent = format!("00-{TRACE}-{SPAN}-01");
        let given = [(PARENT, parent.as_str()), (STATE, "a=1"), (STATE, "b=2")];
        let trace = begin(&headers(&given), Sampling::of(0.0));
        assert_eq!(format!("{:x}", trace.trace_id), TRACE);
        assert_eq!(format!("{:016x}", trace.parent_id.unwrap()), SPAN);
        assert!(trace.is_sampled);
        let mut sent = HeaderMap::new();
        Context::of(&trace, 0xab).unwrap().put(&mut sent);
        assert_eq!(sent[PARENT], format!("00-{TRACE}-00000000000000ab-01"));
        assert_eq!(sent[STATE], "a=1,b=2");
        let twice = [(PARENT, parent.as_str()), (PARENT, parent.as_str())];
        assert_eq!(begin(&headers(&twice), Sampling::of(0.0)).parent_id, None);
    }

    #[test]
    fn a_share_of_new_traces_is_sampled() {
        let sampled = |share| {
            let begin = |_: &i32| begin(&HeaderMap::new(), Sampling::of(share)).is_sampled;
            (0..1000).filter(begin).count()
        };
        assert_eq!(sampled(0.0), 0);
        assert_eq!(sampled(1.0), 1000);
        let half = sampled(0.5);
        assert!((400..600).contains(&half), "{half}");
    }
}
