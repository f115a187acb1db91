//! `logprobsResult`: the chosen tokens in one list, the likeliest at each place in another.

use serde::{Deserialize, Serialize};

use crate::canonical::TokenLogprob;

/// As it stands in a candidate.
#[derive(Deserialize, Serialize, Default)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Wire {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    top_candidates: Vec<Top>,
    chosen_candidates: Vec<Candidate>,
}

#[derive(Deserialize, Serialize, Default)]
#[serde(default)]
struct Top {
    candidates: Vec<Candidate>,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct Candidate {
    #[serde(default)]
    token: String,
    // A zero is left out by proto3's JSON.
    #[serde(default)]
    log_probability: f64,
}

impl From<Candidate> for TokenLogprob {
    fn from(candidate: Candidate) -> Self {
        Self {
            token: candidate.token,
            logprob: candidate.log_probability,
            bytes: None,
            top: Vec::new(),
        }
    }
}

impl From<&TokenLogprob> for Candidate {
    fn from(token: &TokenLogprob) -> Self {
        Self {
            token: token.token.clone(),
            log_probability: token.logprob,
        }
    }
}

/// Reads it; empty where it cannot be read.
pub(super) fn read(raw: &str) -> Vec<TokenLogprob> {
    let wire: Wire = serde_json::from_str(raw).unwrap_or_default();
    let mut tops = wire.top_candidates.into_iter();
    wire.chosen_candidates
        .into_iter()
        .map(|chosen| TokenLogprob {
            top: tops
                .next()
                .unwrap_or_default()
                .candidates
                .into_iter()
                .map(TokenLogprob::from)
                .collect(),
            ..chosen.into()
        })
        .collect()
}

/// Writes it; nothing where no token is known.
pub(super) fn write(tokens: &[TokenLogprob]) -> Option<Wire> {
    if tokens.is_empty() {
        return None;
    }
    let has_tops = tokens.iter().any(|token| !token.top.is_empty());
    let tops = has_tops.then(|| {
        tokens.iter().map(|token| Top {
            candidates: token.top.iter().map(Candidate::from).collect(),
        })
    });
    Some(Wire {
        top_candidates: tops.into_iter().flatten().collect(),
        chosen_candidates: tokens.iter().map(Candidate::from).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_lists_belong_together() {
        let raw = r#"{"topCandidates":[{"candidates":[{"token":"a","logProbability":-0.5},{"token":"b","logProbability":-1.5}]},{"candidates":[]}],"chosenCandidates":[{"token":"a","logProbability":-0.5},{"token":"c","logProbability":-2.0}]}"#;
        let tokens = read(raw);
        assert_eq!(tokens.len(), 2);
        assert_eq!((tokens[0].top.len(), tokens[1].logprob), (2, -2.0));
        let written = serde_json::to_string(&write(&tokens).unwrap()).unwrap();
        assert_eq!(written, raw);
    }

    #[test]
    fn lists_that_do_not_match_lose_no_chosen_token() {
        let raw = r#"{"chosenCandidates":[{"token":"a","logProbability":-0.5,"tokenId":5},{"token":"b"}],"logProbabilitySum":-1}"#;
        assert_eq!(read(raw)[1].logprob, 0.0);
        assert!(write(&[]).is_none());
        for raw in ["null", "[]", "7", r#"{"chosenCandidates":7}"#] {
            assert_eq!(read(raw), [], "{raw}");
        }
    }
}
