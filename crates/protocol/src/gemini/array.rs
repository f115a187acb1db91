//! The JSON array in which `streamGenerateContent` answers where events were not asked for (`alt=sse`).

use bytes::BytesMut;

/// Writes a JSON array element by element, as it becomes known: `[{...}`, `,\r\n{...}`, `]`.
#[derive(Debug, Clone, Default)]
pub(crate) struct ArrayFraming {
    begun: bool,
    closed: bool,
}

impl ArrayFraming {
    /// Writes one element, which must be a JSON value. Nothing follows the end of the array.
    pub(crate) fn element(&mut self, json: &[u8], out: &mut BytesMut) {
        if self.closed {
            return;
        }
        out.extend_from_slice(if self.begun { b",\r\n" } else { b"[" });
        self.begun = true;
        out.extend_from_slice(json);
    }

    /// Ends the array, also an empty one; once.
    pub(crate) fn close(&mut self, out: &mut BytesMut) {
        if self.closed {
            return;
        }
        out.extend_from_slice(if self.begun { b"]" } else { b"[]" });
        self.closed = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(elements: &[&str], expected: &str) {
        let (mut framing, mut out) = (ArrayFraming::default(), BytesMut::new());
        for element in elements {
            framing.element(element.as_bytes(), &mut out);
        }
        framing.close(&mut out);
        framing.close(&mut out);
        framing.element(b"{}", &mut out);
        assert_eq!(out, expected);
    }

    #[test]
    fn elements_make_one_array() {
        check(&[], "[]");
        check(&[r#"{"a":1}"#], r#"[{"a":1}]"#);
        check(
            &[r#"{"a":1}"#, "2", r#""x""#],
            "[{\"a\":1},\r\n2,\r\n\"x\"]",
        );
    }
}
