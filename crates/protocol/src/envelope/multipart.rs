//! Forms: `multipart/form-data` (RFC 7578), cut by the boundary of RFC 2046, section 5.1.
//!
//! Only the fields that routing needs are read, and of the others only their heads are looked at: files pass as they are.

use std::{borrow::Cow, ops::Range};

use memchr::memmem::Finder;

use super::{Edits, Envelope, FormEdits, Needs, Orchestration};
use crate::{Endpoint, RequestError};

/// Longest head of a part, in bytes.
const LONGEST_HEAD: usize = 16 << 10;
/// Most parts of a form; OpenAI's have a handful of fields and up to 16 images.
const MOST_PARTS: usize = 1_000;

pub(super) const NO_BOUNDARY: RequestError =
    RequestError::Form("the content type names no boundary");
const NOT_CUT: RequestError = RequestError::Form("a part does not end at the boundary");

pub(super) fn scan<'a>(
    endpoint: Endpoint,
    content_type: &str,
    body: &'a [u8],
) -> Result<Envelope<'a>, RequestError> {
    let boundary = boundary(content_type).ok_or(NO_BOUNDARY)?;
    let mut model: Option<(Cow<'a, str>, FormEdits)> = None;
    let mut stream: Option<bool> = None;
    let mut prompt_bytes = 0;
    let mut choices = 1;
    for part in Parts::new(body, &boundary)? {
        let part = part?;
        let value = body.get(part.value.clone()).unwrap_or_default();
        match part.name.as_slice() {
            b"model" => {
                if model.is_some() {
                    return Err(RequestError::Duplicate("model".to_owned()));
                }
                let name = text("model", value)?;
                let (value, part) = (part.value, part.whole);
                model = Some((name.into(), FormEdits { value, part }));
            }
            b"stream" => {
                if stream.is_some() {
                    return Err(RequestError::Duplicate("stream".to_owned()));
                }
                stream = Some(boolean("stream", value)?);
            }
            // What is no number the provider refuses.
            b"n" if endpoint.makes_images() => {
                let count = text("n", value)?.trim().parse();
                choices = count.unwrap_or(1_usize).max(1);
            }
            b"prompt" => prompt_bytes += value.len(),
            _ => {}
        }
    }
    let (model, edits) = model
        .filter(|(model, _)| !model.is_empty())
        .ok_or(RequestError::Missing("model"))?;
    Ok(Envelope {
        model,
        stream: stream.unwrap_or(false),
        include_usage: true,
        needs: Needs::default(),
        orchestration: Orchestration::default(),
        session: None,
        prompt_bytes,
        max_output: None,
        choices,
        encrypted_reasoning: false,
        foreign: false,
        endpoint,
        body,
        edits: Edits::Form(edits),
    })
}

fn text<'a>(field: &str, value: &'a [u8]) -> Result<&'a str, RequestError> {
    std::str::from_utf8(value).map_err(|_| RequestError::Type {
        field: field.to_owned(),
        expected: "a string",
    })
}

fn boolean(field: &str, value: &[u8]) -> Result<bool, RequestError> {
    match value.trim_ascii() {
        b"true" | b"True" | b"1" => Ok(true),
        b"false" | b"False" | b"0" | b"" => Ok(false),
        _ => Err(RequestError::Type {
            field: field.to_owned(),
            expected: "a boolean",
        }),
    }
}

/// The `boundary` of a `multipart/form-data` content type: 1 to 70 characters, quoted or not.
pub(super) fn boundary(content_type: &str) -> Option<Vec<u8>> {
    let (kind, parameters) = content_type.split_once(';')?;
    if !kind.trim().eq_ignore_ascii_case("multipart/form-data") {
        return None;
    }
    let boundary = parameter(parameters.as_bytes(), b"boundary")?;
    (1..=70).contains(&boundary.len()).then_some(boundary)
}

/// The value of the parameter `name` in `a=b; c="d"`.
fn parameter(parameters: &[u8], name: &[u8]) -> Option<Vec<u8>> {
    let mut values = each_parameter(parameters, name);
    values.next()
}

/// Each value of the parameter `name`.
fn each_parameter<'p>(parameters: &'p [u8], name: &'p [u8]) -> impl Iterator<Item = Vec<u8>> + 'p {
    let mut rest = parameters;
    std::iter::from_fn(move || {
        while !rest.is_empty() {
            let end = memchr::memchr2(b'=', b';', rest).unwrap_or(rest.len());
            let (key, after) = rest.split_at_checked(end)?;
            let Some(after) = after.strip_prefix(b"=") else {
                rest = after.get(1..).unwrap_or_default();
                continue;
            };
            let (value, after) = parameter_value(after.trim_ascii_start());
            rest = after;
            if key.trim_ascii().eq_ignore_ascii_case(name) {
                return Some(value);
            }
        }
        None
    })
}

/// A token or a quoted string, and what follows its semicolon.
fn parameter_value(text: &[u8]) -> (Vec<u8>, &[u8]) {
    let Some(mut rest) = text.strip_prefix(b"\"") else {
        let end = memchr::memchr(b';', text).unwrap_or(text.len());
        let (value, after) = text.split_at(end);
        return (
            value.trim_ascii().to_vec(),
            after.get(1..).unwrap_or_default(),
        );
    };
    let mut value = Vec::new();
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        match byte {
            b'"' => break,
            b'\\' => {
                if let Some((escaped, after)) = rest.split_first() {
                    value.push(*escaped);
                    rest = after;
                }
            }
            byte => value.push(*byte),
        }
    }
    let end = memchr::memchr(b';', rest).map_or(rest.len(), |at| at + 1);
    (value, rest.get(end..).unwrap_or_default())
}

pub(super) struct Part {
    pub(super) name: Vec<u8>,
    head: Range<usize>,
    pub(super) value: Range<usize>,
    /// From its delimiter to the next.
    whole: Range<usize>,
}

/// Cuts a body into its parts.
pub(super) struct Parts<'a> {
    body: &'a [u8],
    /// CRLF, two hyphens, and the boundary.
    delimiter: Finder<'static>,
    /// The delimiter that comes next, without the CRLF before it.
    at: usize,
    count: usize,
    ended: bool,
}

impl<'a> Parts<'a> {
    pub(super) fn new(body: &'a [u8], boundary: &[u8]) -> Result<Self, RequestError> {
        let delimiter = [b"\r\n--", boundary].concat();
        let first = delimiter.get(2..).unwrap_or_default();
        let delimiter = Finder::new(&delimiter).into_owned();
        // A preamble may precede the first.
        let at = if body.starts_with(first) {
            0
        } else {
            delimiter.find(body).ok_or(NOT_CUT)? + 2
        };
        Ok(Self {
            body,
            delimiter,
            at,
            count: 0,
            ended: false,
        })
    }

    /// Whether these bytes as a value would end before they do.
    pub(super) fn cut(&self, value: &[u8]) -> bool {
        // The CRLF that ends the head may begin the delimiter.
        self.delimiter.find(&[b"\r\n", value].concat()).is_some()
    }

    fn next_part(&mut self) -> Result<Option<Part>, RequestError> {
        let body = self.body;
        let delimiter_end = self.at + self.delimiter.needle().len() - 2;
        let after = body.get(delimiter_end..).unwrap_or_default();
        if after.starts_with(b"--") {
            return Ok(None);
        }
        self.count += 1;
        if self.count > MOST_PARTS {
            return Err(RequestError::Form("too many parts"));
        }
        // Padding may follow the boundary on its line.
        let padding = after
            .iter()
            .take_while(|byte| matches!(byte, b' ' | b'\t'))
            .count();
        let head_start = delimiter_end + padding;
        let bounded = body.get(head_start..).unwrap_or_default();
        let bounded = &bounded[..bounded.len().min(LONGEST_HEAD)];
        let head_len = memchr::memmem::find(bounded, b"\r\n\r\n")
            .filter(|_| bounded.starts_with(b"\r\n"))
            .ok_or(RequestError::Form("the head of a part does not end"))?;
        let value_start = head_start + head_len + 4;
        // The CRLF that ends the head may begin the delimiter after an empty value without its own.
        let rest = body.get(value_start - 2..).unwrap_or_default();
        let found = self.delimiter.find(rest).ok_or(NOT_CUT)?;
        let value_end = value_start - 2 + found;
        let next = value_end + 2;
        let head = bounded.get(..head_len).unwrap_or_default();
        let part = Part {
            name: name(head).unwrap_or_default(),
            head: head_start..head_start + head_len,
            value: value_start.min(value_end)..value_end,
            whole: self.at..next,
        };
        self.at = next;
        Ok(Some(part))
    }
}

impl Iterator for Parts<'_> {
    type Item = Result<Part, RequestError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let part = self.next_part().transpose();
        self.ended = !matches!(part, Some(Ok(_)));
        part
    }
}

impl Part {
    /// Whether it says that it is a file, and says so plainly: servers read a head with two names or dispositions as one or
    /// the other.
    pub(super) fn is_file(&self, body: &[u8]) -> bool {
        self.is_plain(body) && {
            let mut dispositions = fields(self.head(body), b"content-disposition");
            dispositions.any(|value| parameter(value, b"filename").is_some())
        }
    }

    /// Whether every server reads the same name from its head.
    pub(super) fn is_plain(&self, body: &[u8]) -> bool {
        let dispositions: Vec<_> = fields(self.head(body), b"content-disposition").collect();
        match dispositions[..] {
            [value] => each_parameter(value, b"name").count() == 1,
            _ => false,
        }
    }

    /// Whether its value is text as it stands there: UTF-8, not encoded once more.
    pub(super) fn is_bare(&self, body: &[u8]) -> bool {
        let any = |value: &[u8], known: &[&str]| {
            let value = value.trim_ascii();
            known
                .iter()
                .any(|it| value.eq_ignore_ascii_case(it.as_bytes()))
        };
        let mut encodings = fields(self.head(body), b"content-transfer-encoding");
        let mut types = fields(self.head(body), b"content-type");
        encodings.all(|value| any(value, &["7bit", "8bit", "binary"]))
            && types.all(|value| {
                each_parameter(value, b"charset").all(|it| any(&it, &["utf-8", "utf8", "us-ascii"]))
            })
    }

    fn head<'b>(&self, body: &'b [u8]) -> &'b [u8] {
        body.get(self.head.clone()).unwrap_or_default()
    }
}

/// The `name` of a part, from its `Content-Disposition`.
fn name(head: &[u8]) -> Option<Vec<u8>> {
    fields(head, b"content-disposition").find_map(|value| {
        let semicolon = memchr::memchr(b';', value)?;
        parameter(value.get(semicolon + 1..)?, b"name")
    })
}

/// The values of the header fields of this name.
fn fields<'h>(head: &'h [u8], name: &'h [u8]) -> impl Iterator<Item = &'h [u8]> {
    head.split(|byte| *byte == b'\n').filter_map(move |line| {
        let colon = memchr::memchr(b':', line)?;
        let (field, value) = line.split_at_checked(colon)?;
        let is_it = field.trim_ascii().eq_ignore_ascii_case(name);
        is_it.then(|| value.get(1..).unwrap_or_default())
    })
}
