//! Answers.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::{
    ProviderError, Unusable, Usage, UsageSource,
    canonical::{EmbedRequest, EmbedResponse},
    gemini::generate::json_text,
    json,
};

#[derive(Deserialize, Serialize)]
struct Embedding {
    #[serde(default)]
    values: Vec<f32>,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct Tokens {
    prompt_token_count: Option<u64>,
}

/// Reads a provider's answer: of `embedContent` or of `batchEmbedContents`.
///
/// # Errors
/// It is no answer.
pub fn read_response(body: &[u8]) -> Result<EmbedResponse, Unusable> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Wire<'a> {
        embedding: Option<Embedding>,
        embeddings: Option<Vec<Embedding>>,
        usage_metadata: Option<Tokens>,
        #[serde(borrow)]
        error: Option<&'a RawValue>,
    }
    json::validate(body)?;
    let wire: Wire<'_> =
        serde_json::from_slice(body).map_err(|error| Unusable::Wire(error.to_string()))?;
    if let Some(error) = wire.error {
        return Err(Unusable::Error(ProviderError::of_value(error.get())));
    }
    let embeddings = wire
        .embeddings
        .or_else(|| wire.embedding.map(|one| vec![one]))
        .ok_or(Unusable::Shape("embeddings"))?;
    let prompt = wire
        .usage_metadata
        .and_then(|tokens| tokens.prompt_token_count);
    Ok(EmbedResponse {
        vectors: embeddings.into_iter().map(|one| one.values).collect(),
        model: None,
        usage: prompt.map(|prompt| Usage {
            prompt,
            completion: 0,
            total: prompt,
            cached: 0,
            cache_write: 0,
            reasoning: 0,
            source: UsageSource::Provider,
        }),
    })
}

/// Writes an answer for a client that asked `request`, by the verb it used. The format has no place for the model.
#[must_use]
pub fn write_response(response: &EmbedResponse, request: &EmbedRequest, model: &str) -> Vec<u8> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Wire<'a> {
        #[serde(skip_serializing_if = "Option::is_none")]
        embedding: Option<Vector<'a>>,
        #[serde(skip_serializing_if = "Option::is_none")]
        embeddings: Option<Vec<Vector<'a>>>,
        #[serde(skip_serializing_if = "Option::is_none")]
        usage_metadata: Option<Tokens>,
    }
    #[derive(Serialize)]
    struct Vector<'a> {
        values: &'a [f32],
    }
    let _ = model;
    let mut vectors = response.vectors.iter().map(|values| Vector { values });
    let usage = response.usage.map(|usage| Tokens {
        prompt_token_count: Some(usage.prompt),
    });
    let wire = if request.single {
        Wire {
            embedding: vectors.next(),
            embeddings: None,
            usage_metadata: usage,
        }
    } else {
        Wire {
            embedding: None,
            embeddings: Some(vectors.collect()),
            usage_metadata: usage,
        }
    };
    json_text(&wire).into_bytes()
}
