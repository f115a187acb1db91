//! The model list.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::openai::ListedModel;

/// What stands before the id in the names of models.
const PREFIX: &str = "models/";

/// One entry of `GET /v1beta/models`, or the answer to `GET /v1beta/models/{id}`. The format has no place for `created`.
#[must_use]
pub fn model(id: &str, created: i64) -> Value {
    let _ = created;
    json!({
        "name": format!("{PREFIX}{id}"),
        "displayName": id,
        "supportedGenerationMethods": [
            "generateContent", "streamGenerateContent", "countTokens", "embedContent", "batchEmbedContents"
        ],
    })
}

/// The answer to `GET /v1beta/models`, from entries made by [`model`]: one page, so without `nextPageToken`.
#[must_use]
pub fn model_list(models: Vec<Value>) -> Value {
    json!({"models": models})
}

/// Reads a page of a provider's list. The ids are without `models/`; an empty page has no `models` at all.
///
/// # Errors
/// It is none.
pub fn parse_model_list(body: &[u8]) -> Result<Vec<ListedModel>, serde_json::Error> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Page {
        models: Option<Vec<Listed>>,
        error: Option<serde::de::IgnoredAny>,
    }
    #[derive(Deserialize)]
    struct Listed {
        name: String,
    }
    let page: Page = serde_json::from_slice(body)?;
    if page.models.is_none() && page.error.is_some() {
        return Err(serde::de::Error::missing_field("models"));
    }
    Ok(page
        .models
        .unwrap_or_default()
        .into_iter()
        .map(|Listed { name }| ListedModel {
            id: name
                .strip_prefix(PREFIX)
                .map_or(name.clone(), str::to_owned),
            owned_by: None,
        })
        .collect())
}

/// The token of the page after this one; `None` on the last.
#[must_use]
pub fn next_page(body: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Page {
        next_page_token: Option<String>,
    }
    let page: Page = serde_json::from_slice(body).ok()?;
    page.next_page_token.filter(|token| !token.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_provider_list_is_read_page_by_page() {
        let listed = |body: &str| {
            parse_model_list(body.as_bytes())
                .map(|list| list.into_iter().map(|model| model.id).collect::<Vec<_>>())
        };
        let page = r#"{"models":[{"name":"models/gemini-2.5-pro","version":"2.5","displayName":"Gemini 2.5 Pro",
            "inputTokenLimit":1048576},{"name":"tunedModels/own"}],"nextPageToken":"abc"}"#;
        assert_eq!(listed(page).unwrap(), ["gemini-2.5-pro", "tunedModels/own"]);
        assert_eq!(next_page(page.as_bytes()).as_deref(), Some("abc"));
        assert_eq!(listed("{}").unwrap(), [""; 0]);
        for last in ["{}", r#"{"nextPageToken":""}"#, "", "[]"] {
            assert_eq!(next_page(last.as_bytes()), None, "{last}");
        }
        for none in [
            "<html>",
            "[]",
            r#"{"error":{"code":400}}"#,
            r#"{"models":[{}]}"#,
        ] {
            assert!(listed(none).is_err(), "{none}");
        }
    }

    #[test]
    fn the_list_has_the_form_that_the_sdk_reads() {
        let list = model_list(vec![model("org/fast", 7)]);
        insta::assert_snapshot!(list, @r#"{"models":[{"displayName":"org/fast","name":"models/org/fast","supportedGenerationMethods":["generateContent","streamGenerateContent","countTokens","embedContent","batchEmbedContents"]}]}"#);
    }
}
