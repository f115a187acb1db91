//! Counts of tokens, by the format they are asked for in.

use bytes::Bytes;

use crate::{
    Format, RequestError, Unusable, anthropic, canonical::Request, gemini, openai, read_request,
};

/// Reads a client's request to count tokens, which came in format `from`.
///
/// # Errors
/// It is not what the format's documents say; the error names the field.
pub fn read_count_request(from: Format, body: &[u8]) -> Result<Request, RequestError> {
    match from {
        Format::Chat => read_request(from, body),
        Format::Responses => openai::count::read_request(body),
        Format::Messages => anthropic::read_count_request(body),
        Format::Gemini => gemini::count::read_request(body),
    }
}

/// Reads the answer of a provider that speaks `from`. Chat Completions, which counts nothing, has the words of Responses.
///
/// # Errors
/// It is no count.
pub fn read_count(from: Format, body: &[u8]) -> Result<u64, Unusable> {
    match from {
        Format::Chat | Format::Responses => openai::count::read_answer(body),
        Format::Messages => anthropic::count::read_answer(body),
        Format::Gemini => gemini::count::read_answer(body),
    }
}

/// Writes the answer for a client that speaks `to`.
#[must_use]
pub fn write_count_answer(to: Format, tokens: u64) -> Bytes {
    match to {
        Format::Chat | Format::Responses => openai::count::write_answer(tokens),
        Format::Messages => anthropic::count::write_answer(tokens),
        Format::Gemini => gemini::count::write_answer(tokens),
    }
    .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_is_read_as_each_format_writes_it() {
        for format in Format::ALL {
            let body = write_count_answer(format, 17);
            assert_eq!(read_count(format, &body), Ok(17), "{format:?}");
            assert!(read_count(format, b"{}").is_err(), "{format:?}");
        }
    }
}
