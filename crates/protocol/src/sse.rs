//! Server-sent events, cut out of a byte stream however the network cut it.
//!
//! Rules: WHATWG HTML, section "Parsing an event stream": lines end at CRLF, LF or CR and nowhere else, a blank line ends
//! an event, a line that starts with a colon is a comment, one space after the field's colon is not part of the value,
//! several `data` lines join with LF, a byte order mark at the start is skipped. Unlike there, an event that the end of
//! the stream cuts off is not lost but told apart ([`Decoder::finish`]).

use std::borrow::Cow;

use bytes::{Buf, Bytes, BytesMut};

/// The byte order mark, in UTF-8.
const MARK: &[u8] = b"\xef\xbb\xbf";

/// An event is longer than allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an event is longer than {limit} bytes")]
pub struct TooLong {
    /// The limit, in bytes.
    pub limit: usize,
}

/// One event, with the bytes it came in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// As received, including the blank line that ended it. All of them joined are the stream as it came, without the byte
    /// order mark: where a chunk ends in the middle of the CRLF that ends an event, the LF begins the next one.
    pub raw: Bytes,
}

impl Event {
    /// Its `data`, or `None` for an event without (a comment, a lone `retry`).
    #[must_use]
    pub fn data(&self) -> Option<Cow<'_, [u8]>> {
        let mut joined: Option<Cow<'_, [u8]>> = None;
        for value in self.field(b"data") {
            joined = Some(match joined {
                None => Cow::Borrowed(value),
                Some(before) => {
                    let mut owned = before.into_owned();
                    owned.push(b'\n');
                    owned.extend_from_slice(value);
                    Cow::Owned(owned)
                }
            });
        }
        joined
    }

    /// Values of every line of the field `name`.
    fn field<'a>(&'a self, name: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
        lines(&self.raw).filter_map(move |line| {
            let rest = line.strip_prefix(name)?;
            match rest.first() {
                None => Some(rest),
                Some(b':') => Some(rest[1..].strip_prefix(b" ").unwrap_or(&rest[1..])),
                Some(_) => None,
            }
        })
    }
}

fn lines(raw: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = raw;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let end = memchr::memchr2(b'\n', b'\r', rest).unwrap_or(rest.len());
        let line = &rest[..end];
        let ending = if rest[end..].starts_with(b"\r\n") {
            2
        } else {
            usize::from(end < rest.len())
        };
        rest = &rest[end + ending..];
        Some(line)
    })
}

/// Cuts chunks into events. An event that lies within one chunk is a slice of it; only one that spans chunks is copied.
#[derive(Debug)]
pub struct Decoder {
    chunk: Bytes,
    /// Bytes of `chunk` that were looked at and belong to the event being read.
    scanned: usize,
    /// The event's bytes from earlier chunks.
    partial: BytesMut,
    line_is_empty: bool,
    /// The last byte looked at was a CR; a LF that follows belongs to it.
    after_cr: bool,
    /// The event ended with that CR.
    ended_with_cr: bool,
    /// Bytes of a byte order mark seen at the start of the stream; all of them once past it, also without one.
    mark_seen: usize,
    limit: usize,
}

impl Decoder {
    /// A decoder that refuses events of more than `limit` bytes.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self {
            chunk: Bytes::new(),
            scanned: 0,
            partial: BytesMut::new(),
            line_is_empty: true,
            after_cr: false,
            ended_with_cr: false,
            mark_seen: 0,
            limit,
        }
    }

    /// Takes the next chunk. [`Self::next_event`] must have answered `None` before.
    pub fn push(&mut self, chunk: Bytes) {
        debug_assert!(self.chunk.is_empty(), "events are left");
        self.chunk = chunk;
        self.scanned = 0;
    }

    /// The next whole event, or `None` when another chunk is needed.
    ///
    /// # Errors
    /// The event is longer than the limit; the stream cannot go on from here.
    pub fn next_event(&mut self) -> Result<Option<Event>, TooLong> {
        self.skip_what_precedes();
        while let Some(found) = memchr::memchr2(b'\n', b'\r', &self.chunk[self.scanned..]) {
            let at = self.scanned + found;
            let completes_crlf = found == 0 && self.after_cr && self.chunk[at] == b'\n';
            self.scanned = at + 1;
            if completes_crlf {
                self.after_cr = false;
                continue;
            }
            let ends_event = found == 0 && self.line_is_empty;
            self.line_is_empty = true;
            self.after_cr = self.chunk[at] == b'\r';
            if ends_event {
                return self.take().map(Some);
            }
        }
        if self.scanned < self.chunk.len() {
            self.line_is_empty = false;
            self.after_cr = false;
        }
        self.partial.extend_from_slice(&self.chunk);
        self.chunk = Bytes::new();
        self.scanned = 0;
        if self.partial.len() > self.limit {
            Err(TooLong { limit: self.limit })
        } else {
            Ok(None)
        }
    }

    /// What is left when the stream ends: an event whose blank line never came, if there is one.
    #[must_use]
    pub fn finish(mut self) -> Option<Event> {
        self.partial.extend_from_slice(&self.chunk);
        let is_event = !matches!(&*self.partial, b"" | b"\n");
        is_event.then(|| Event {
            raw: self.partial.freeze(),
        })
    }

    fn take(&mut self) -> Result<Event, TooLong> {
        if self.after_cr && self.chunk.get(self.scanned) == Some(&b'\n') {
            self.scanned += 1;
            self.after_cr = false;
        }
        self.ended_with_cr = self.after_cr;
        self.after_cr = false;
        let head = self.chunk.split_to(self.scanned);
        self.scanned = 0;
        let raw = if self.partial.is_empty() {
            head
        } else {
            self.partial.extend_from_slice(&head);
            self.partial.split().freeze()
        };
        if raw.len() > self.limit {
            Err(TooLong { limit: self.limit })
        } else {
            Ok(Event { raw })
        }
    }

    fn skip_what_precedes(&mut self) {
        if self.chunk.is_empty() {
            return;
        }
        if self.ended_with_cr {
            self.ended_with_cr = false;
            self.scanned = usize::from(self.chunk[0] == b'\n');
        }
        if self.mark_seen < MARK.len() {
            self.skip_byte_order_mark();
        }
    }

    fn skip_byte_order_mark(&mut self) {
        while self.mark_seen < MARK.len() && self.chunk.first() == Some(&MARK[self.mark_seen]) {
            self.chunk.advance(1);
            self.mark_seen += 1;
        }
        if self.mark_seen < MARK.len() && !self.chunk.is_empty() {
            self.partial.extend_from_slice(&MARK[..self.mark_seen]);
            self.mark_seen = MARK.len();
        }
    }
}

#[cfg(test)]
mod tests;
