//! `:embedContent` and `:batchEmbedContents`

use serde_json::{Value, json};

use super::error::ApiError;
use super::turns;
use crate::vector::vector;

/// Length of a vector when the request does not say.
const DEFAULT_DIMENSIONS: i64 = 3072;
/// Inputs one batch may hold.
const MAX_INPUTS: usize = 100;

/// The vector of one content.
pub(crate) fn one(request: &Value) -> Result<Value, ApiError> {
    Ok(json!({"embedding": embed("EmbedContentRequest", "", request)?}))
}

/// The vectors of several contents.
pub(crate) fn batch(request: &Value, model: &str) -> Result<Value, ApiError> {
    let of = "BatchEmbedContentsRequest";
    let requests = request.get("requests").and_then(Value::as_array);
    let requests = requests.map(Vec::as_slice).unwrap_or_default();
    if requests.is_empty() || requests.len() > MAX_INPUTS {
        return Err(ApiError::field(
            of,
            "requests",
            "between 1 and 100 requests can be in one batch",
        ));
    }
    let mut embeddings = Vec::with_capacity(requests.len());
    for (index, request) in requests.iter().enumerate() {
        let at = format!("requests[{index}].");
        let named = request
            .get("model")
            .and_then(Value::as_str)
            .unwrap_or_default();
        if named.strip_prefix("models/") != Some(model) {
            return Err(ApiError::field(
                of,
                &format!("{at}model"),
                "must match the model in BatchEmbedContentsRequest",
            ));
        }
        embeddings.push(embed(of, &at, request)?);
    }
    Ok(json!({"embeddings": embeddings}))
}

fn embed(of: &str, at: &str, request: &Value) -> Result<Value, ApiError> {
    let content = request.get("content").unwrap_or(&Value::Null);
    let texts = turns::parts(content)
        .iter()
        .filter_map(|part| part.get("text")?.as_str());
    let text: String = texts.collect();
    if text.is_empty() {
        return Err(ApiError::field(
            of,
            &format!("{at}content"),
            "content is empty",
        ));
    }
    let dimensions = request.get("outputDimensionality").and_then(Value::as_i64);
    let dimensions = dimensions.unwrap_or(DEFAULT_DIMENSIONS);
    if !(1..=4096).contains(&dimensions) {
        return Err(ApiError::field(
            of,
            &format!("{at}output_dimensionality"),
            "must be in the range [1, 4096]",
        ));
    }
    Ok(json!({"values": vector(&text, dimensions as usize)}))
}
