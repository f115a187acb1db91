//! The model list.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::openai::ListedModel;

/// One entry of the list, or the answer to a request for one model. `created` is in Unix seconds.
#[must_use]
pub fn model(id: &str, created: i64) -> Value {
    json!({
        "type": "model",
        "id": id,
        "display_name": id,
        "created_at": timestamp(created),
        "lifecycle": "active",
    })
}

/// The list, or a page of it where more follow after `models`, which are entries made by [`model`].
#[must_use]
pub fn model_list(models: Vec<Value>, has_more: bool) -> Value {
    let id = |model: Option<&Value>| model.map_or(Value::Null, |model| model["id"].clone());
    let (first, last) = (id(models.first()), id(models.last()));
    json!({"data": models, "has_more": has_more, "first_id": first, "last_id": last})
}

/// Reads a provider's list.
///
/// # Errors
/// It is none.
pub fn parse_model_list(body: &[u8]) -> Result<Vec<ListedModel>, serde_json::Error> {
    #[derive(Deserialize)]
    struct Wire {
        data: Vec<ListedModel>,
    }
    serde_json::from_slice::<Wire>(body).map(|wire| wire.data)
}

/// The id after which the next page begins; `None` on the last.
#[must_use]
pub fn next_page(body: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Page {
        has_more: Option<bool>,
        last_id: Option<String>,
    }
    let page: Page = serde_json::from_slice(body).ok()?;
    page.last_id
        .filter(|id| page.has_more == Some(true) && !id.is_empty())
}

/// RFC 3339, in UTC. Times outside the years 1970 to 9999, which have no such form, are told as the nearest that has.
fn timestamp(seconds: i64) -> String {
    const LAST: i64 = 253_402_300_799;
    const DAY: i64 = 86_400;
    let seconds = seconds.clamp(0, LAST);
    let (days, time) = (seconds / DAY, seconds % DAY);
    // Years that begin in March end with the leap day; 400 of them are an era of 146,097 days, of which day 0 of 1970 is
    // day 719,468.
    let shifted = days + 719_468;
    let (era, day) = (shifted / 146_097, shifted % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = era * 400 + year + i64::from(month <= 2);
    let (hour, minute, second) = (time / 3_600, time / 60 % 60, time % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_as_dates() {
        for (seconds, expected) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_709_251_199, "2024-02-29T23:59:59Z"),
            (1_735_689_600, "2025-01-01T00:00:00Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
            (i64::MIN, "1970-01-01T00:00:00Z"),
            (i64::MAX, "9999-12-31T23:59:59Z"),
        ] {
            assert_eq!(timestamp(seconds), expected);
        }
    }

    #[test]
    fn a_page_names_its_ends() {
        let list = model_list(vec![model("a", 0), model("b", 0)], true);
        insta::assert_snapshot!(list.to_string(), @r#"{"data":[{"created_at":"1970-01-01T00:00:00Z","display_name":"a","id":"a","lifecycle":"active","type":"model"},{"created_at":"1970-01-01T00:00:00Z","display_name":"b","id":"b","lifecycle":"active","type":"model"}],"first_id":"a","has_more":true,"last_id":"b"}"#);
        let empty = model_list(Vec::new(), false);
        insta::assert_snapshot!(empty.to_string(), @r#"{"data":[],"first_id":null,"has_more":false,"last_id":null}"#);
        let read = parse_model_list(list.to_string().as_bytes()).unwrap();
        let ids: Vec<_> = read.iter().map(|model| &*model.id).collect();
        assert_eq!(ids, ["a", "b"]);
        assert!(parse_model_list(b"[]").is_err());
        assert_eq!(next_page(list.to_string().as_bytes()).as_deref(), Some("b"));
        for last in [
            empty.to_string().as_str(),
            r#"{"has_more":true,"last_id":null}"#,
            r#"{"has_more":false,"last_id":"b"}"#,
            "[]",
        ] {
            assert_eq!(next_page(last.as_bytes()), None, "{last}");
        }
    }
}
