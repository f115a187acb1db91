//! How long Gemini asks to be left alone: it says so in the body of the error, not in a header.

use std::time::Duration;

use serde_json::Value;

/// The `retryDelay` of the `google.rpc.RetryInfo` among an error's details, also where the error is the only element of an
/// array (as `streamGenerateContent` answers without `alt=sse`). `None` where there is none.
#[must_use]
pub fn retry_delay(body: &[u8]) -> Option<Duration> {
    let body = match serde_json::from_slice(body).ok()? {
        Value::Array(mut list) => list.pop()?,
        body => body,
    };
    let details = body.get("error")?.get("details")?.as_array()?;
    details.iter().find_map(|detail| {
        let kind = detail.get("@type")?.as_str()?;
        if !kind.ends_with("google.rpc.RetryInfo") {
            return None;
        }
        let seconds = detail.get("retryDelay")?.as_str()?.strip_suffix('s')?;
        Duration::try_from_secs_f64(seconds.parse().ok()?).ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(details: &str, expected: Option<Duration>) {
        let error = format!(
            r#"{{"error":{{"code":429,"message":"m","status":"RESOURCE_EXHAUSTED","details":{details}}}}}"#
        );
        assert_eq!(retry_delay(error.as_bytes()), expected, "{details}");
        assert_eq!(retry_delay(format!("[{error}]").as_bytes()), expected);
    }

    #[test]
    fn the_delay_is_found_among_the_details() {
        let delay = |text: &str| {
            format!(
                r#"[{{"@type":"type.googleapis.com/google.rpc.Help","links":[]}},
                    {{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"{text}"}}]"#
            )
        };
        check(&delay("12.5s"), Some(Duration::from_millis(12_500)));
        check(&delay("38s"), Some(Duration::from_secs(38)));
        check(&delay("0s"), Some(Duration::ZERO));
        for text in ["-1s", "12", "s", "1e999s", "NaNs", "soon"] {
            check(&delay(text), None);
        }
        check("[]", None);
        check(r#"[{"retryDelay":"1s"},7,null]"#, None);
        for body in ["", "[]", "7", r#"{"error":"x"}"#, r#"{"error":{}}"#] {
            assert_eq!(retry_delay(body.as_bytes()), None, "{body}");
        }
    }
}
