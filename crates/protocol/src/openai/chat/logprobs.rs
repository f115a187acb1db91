//! Log probabilities of an answer's tokens.

use serde::{Deserialize, Serialize};

use crate::canonical::TokenLogprob;

/// The `logprobs` object of a choice.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Logprobs {
    content: Option<Vec<Token>>,
    refusal: Option<Vec<Token>>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Token {
    token: String,
    /// Servers write null for a probability of 0, whose logarithm JSON cannot hold.
    logprob: Option<f64>,
    bytes: Option<Vec<u8>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    top_logprobs: Option<Vec<Token>>,
}

/// OpenAI's own value for a probability that is too small to tell.
const UNLIKELY: f64 = -9999.0;

impl Logprobs {
    /// How they are written; `None` where there are none.
    pub(super) fn of(tokens: &[TokenLogprob]) -> Option<Self> {
        (!tokens.is_empty()).then(|| Self {
            content: Some(tokens.iter().map(Token::of).collect()),
            refusal: None,
        })
    }

    /// Those of the text, or else of the refusal.
    pub(super) fn read(self) -> Vec<TokenLogprob> {
        let tokens = self.content.or(self.refusal).unwrap_or_default();
        tokens.into_iter().map(Token::read).collect()
    }
}

impl Token {
    fn of(token: &TokenLogprob) -> Self {
        let likely = |token: &TokenLogprob| Self {
            token: token.token.clone(),
            logprob: Some(token.logprob.max(UNLIKELY)),
            bytes: Some(
                token
                    .bytes
                    .clone()
                    .unwrap_or_else(|| token.token.clone().into_bytes()),
            ),
            top_logprobs: None,
        };
        Self {
            top_logprobs: Some(token.top.iter().map(likely).collect()),
            ..likely(token)
        }
    }

    fn read(self) -> TokenLogprob {
        let likely = |token: String, logprob: Option<f64>, bytes: Option<Vec<u8>>, top| {
            let bytes = bytes.filter(|bytes| bytes != token.as_bytes());
            TokenLogprob {
                token,
                logprob: logprob.unwrap_or(UNLIKELY),
                bytes,
                top,
            }
        };
        let top = self.top_logprobs.unwrap_or_default().into_iter();
        let top = top.map(|it| likely(it.token, it.logprob, it.bytes, Vec::new()));
        likely(self.token, self.logprob, self.bytes, top.collect())
    }
}
