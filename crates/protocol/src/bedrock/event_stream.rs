//! Messages of an AWS event stream (`application/vnd.amazon.eventstream`), cut out of a byte stream however the network
//! cut it.
//!
//! A message is: its length and that of its headers, four bytes each, big endian; the CRC-32 of these eight bytes; the
//! headers; the payload; the CRC-32 of all before. A header is the length of its name in one byte, the name, the type of
//! its value in one byte, and the value. Source: <https://smithy.io/2.0/aws/amazon-eventstream.html>.

use bytes::{Buf, Bytes, BytesMut};

/// Length, length of headers, checksum.
const PRELUDE: usize = 12;
/// The checksum at the end.
const TRAILER: usize = 4;

/// Why a stream cannot be read on; there is no way to find the next message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FrameError {
    /// A message is longer than allowed.
    #[error("a message is longer than {limit} bytes")]
    TooLong {
        /// The limit, in bytes.
        limit: usize,
    },
    /// The lengths at a message's start contradict each other.
    #[error("a message's lengths contradict each other")]
    Lengths,
    /// A checksum is not that of the bytes it stands for.
    #[error("a message's checksum is wrong")]
    Checksum,
    /// The headers cannot be read.
    #[error("a message's headers cannot be read")]
    Headers,
}

/// A message whose checksums are right and whose headers can be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    headers: Bytes,
    /// What it carries.
    pub payload: Bytes,
}

/// Value of a header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Value<'a> {
    /// Types 0 and 1.
    Bool(bool),
    /// Types 2 to 5: signed integers of one, two, four and eight bytes.
    Integer(i64),
    /// Type 6.
    Bytes(&'a [u8]),
    /// Type 7.
    Text(&'a str),
    /// Type 8: milliseconds since 1970.
    Timestamp(i64),
    /// Type 9.
    Uuid([u8; 16]),
}

impl Message {
    /// Its headers, in order.
    pub fn headers(&self) -> impl Iterator<Item = (&str, Value<'_>)> {
        Headers(&self.headers).map_while(Result::ok)
    }

    /// The text of the header `name`.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        self.headers().find_map(|(key, value)| match value {
            Value::Text(text) if key == name => Some(text),
            _ => None,
        })
    }

    /// Reads a whole message. The prelude was looked at before.
    fn read(mut bytes: Bytes, headers_len: usize) -> Result<Self, FrameError> {
        let body_len = bytes
            .len()
            .checked_sub(TRAILER)
            .ok_or(FrameError::Lengths)?;
        let trailer = bytes.split_off(body_len);
        if checksum_of(&trailer) != Some(crc32fast::hash(&bytes)) {
            return Err(FrameError::Checksum);
        }
        bytes.advance(PRELUDE);
        let headers = bytes.split_to(headers_len);
        if Headers(&headers).any(|header| header.is_err()) {
            return Err(FrameError::Headers);
        }
        Ok(Self {
            headers,
            payload: bytes,
        })
    }
}

fn checksum_of(bytes: &[u8]) -> Option<u32> {
    bytes.first_chunk().copied().map(u32::from_be_bytes)
}

/// Reads headers one by one; ends after the first that cannot be read.
struct Headers<'a>(&'a [u8]);

impl<'a> Iterator for Headers<'a> {
    type Item = Result<(&'a str, Value<'a>), FrameError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let header = self.header().ok_or(FrameError::Headers);
        if header.is_err() {
            self.0 = &[];
        }
        Some(header)
    }
}

impl<'a> Headers<'a> {
    fn header(&mut self) -> Option<(&'a str, Value<'a>)> {
        let [name_len] = self.take()?;
        let name = str::from_utf8(self.split(usize::from(name_len))?).ok()?;
        let [kind] = self.take()?;
        let value = match kind {
            0 | 1 => Value::Bool(kind == 0),
            2 => Value::Integer(i8::from_be_bytes(self.take()?).into()),
            3 => Value::Integer(i16::from_be_bytes(self.take()?).into()),
            4 => Value::Integer(i32::from_be_bytes(self.take()?).into()),
            5 => Value::Integer(i64::from_be_bytes(self.take()?)),
            6 => Value::Bytes(self.counted()?),
            7 => Value::Text(str::from_utf8(self.counted()?).ok()?),
            8 => Value::Timestamp(i64::from_be_bytes(self.take()?)),
            9 => Value::Uuid(self.take()?),
            _ => return None,
        };
        Some((name, value))
    }

    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*taken)
    }

    fn split(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(taken)
    }

    /// Bytes preceded by their number.
    fn counted(&mut self) -> Option<&'a [u8]> {
        let len = u16::from_be_bytes(self.take()?);
        self.split(usize::from(len))
    }
}

/// Cuts chunks into messages. A message that lies within one chunk is a slice of it; only one that spans chunks is copied.
#[derive(Debug)]
pub struct Decoder {
    chunk: Bytes,
    /// The message's bytes from earlier chunks.
    partial: BytesMut,
    limit: usize,
}

impl Decoder {
    /// A decoder that refuses messages of more than `limit` bytes.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self {
            chunk: Bytes::new(),
            partial: BytesMut::new(),
            limit,
        }
    }

    /// Takes the next chunk. [`Self::next_message`] must have answered `None` before.
    pub fn push(&mut self, chunk: Bytes) {
        debug_assert!(self.chunk.is_empty(), "messages are left");
        self.chunk = chunk;
    }

    /// The next whole message, or `None` when another chunk is needed.
    ///
    /// # Errors
    /// The stream cannot be read on from here.
    pub fn next_message(&mut self) -> Result<Option<Message>, FrameError> {
        if self.partial.is_empty() {
            if let Some((total, headers)) = self.prelude(&self.chunk)?
                && total <= self.chunk.len()
            {
                return Message::read(self.chunk.split_to(total), headers).map(Some);
            }
        } else {
            self.fill(PRELUDE);
        }
        if let Some((total, headers)) = self.prelude(&self.partial)? {
            self.fill(total);
            if self.partial.len() == total {
                return Message::read(self.partial.split().freeze(), headers).map(Some);
            }
        } else {
            self.fill(usize::MAX);
        }
        Ok(None)
    }

    /// Whether the stream, should it end here, ends between two messages.
    #[must_use]
    pub fn is_at_boundary(&self) -> bool {
        self.partial.is_empty() && self.chunk.is_empty()
    }

    /// Moves bytes of the chunk over until there are `len` of the message.
    fn fill(&mut self, len: usize) {
        let missing = len.saturating_sub(self.partial.len()).min(self.chunk.len());
        self.partial
            .extend_from_slice(&self.chunk.split_to(missing));
    }

    /// The lengths of the message and of its headers, once all of its prelude is there.
    fn prelude(&self, bytes: &[u8]) -> Result<Option<(usize, usize)>, FrameError> {
        let Some(&prelude) = bytes.first_chunk::<PRELUDE>() else {
            return Ok(None);
        };
        let [a, b, c, d, e, f, g, h, checksum @ ..] = prelude;
        if crc32fast::hash(&[a, b, c, d, e, f, g, h]) != u32::from_be_bytes(checksum) {
            return Err(FrameError::Checksum);
        }
        let total = length([a, b, c, d]);
        let headers = length([e, f, g, h]);
        if total > self.limit {
            return Err(FrameError::TooLong { limit: self.limit });
        }
        let room = total.checked_sub(PRELUDE + TRAILER);
        if room.is_none_or(|room| headers > room) {
            return Err(FrameError::Lengths);
        }
        Ok(Some((total, headers)))
    }
}

fn length(bytes: [u8; 4]) -> usize {
    usize::try_from(u32::from_be_bytes(bytes)).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests;
