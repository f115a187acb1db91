//! The model list.

use serde::Deserialize;
use serde_json::{Value, json};

/// A model in a provider's list.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ListedModel {
    /// What the provider calls it.
    pub id: String,
    /// Who owns it, where the provider says so.
    pub owned_by: Option<String>,
}

/// One entry of `GET /v1/models`, or the answer to `GET /v1/models/{id}`. `created` is in Unix seconds.
#[must_use]
pub fn model(id: &str, created: i64) -> Value {
    json!({"id": id, "object": "model", "created": created, "owned_by": "llm-orchestrator"})
}

/// The answer to `GET /v1/models`, from entries made by [`model`].
#[must_use]
pub fn model_list(models: Vec<Value>) -> Value {
    json!({"object": "list", "data": models})
}

/// Reads a provider's answer to `GET /models`: `{"data":[...]}`, or the bare list that some servers send.
///
/// # Errors
/// It is neither.
pub fn parse_model_list(body: &[u8]) -> Result<Vec<ListedModel>, serde_json::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Wire {
        Enveloped { data: Vec<ListedModel> },
        Bare(Vec<ListedModel>),
    }
    Ok(match serde_json::from_slice(body)? {
        Wire::Enveloped { data } => data,
        Wire::Bare(models) => models,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_of_a_provider_list_are_read() {
        let listed = |body: &str| {
            parse_model_list(body.as_bytes())
                .map(|list| list.into_iter().map(|model| model.id).collect::<Vec<_>>())
        };
        assert_eq!(
            listed(r#"{"object":"list","data":[{"id":"a","owned_by":"x"},{"id":"b"}]}"#).unwrap(),
            ["a", "b"]
        );
        assert_eq!(listed(r#"[{"id":"a","type":"chat"}]"#).unwrap(), ["a"]);
        assert!(listed("<html>").is_err());
        assert!(listed(r#"{"models":[]}"#).is_err());
    }
}
