//! What is left out of bodies before they are kept.

use std::{borrow::Cow, sync::LazyLock};

use regex::Regex;

/// Stands in the place of what is left out.
const REPLACEMENT: &str = "[redacted]";

/// What looks like a secret, by the shapes that its makers give it: keys of OpenAI, Anthropic and the gateway (`sk-`,
/// `lo-admin-`), Google, AWS, Hugging Face, Groq, xAI, GitHub, GitLab and Slack, bearer tokens, JSON web tokens, and
/// private keys in PEM.
///
/// Compiled when the first body is kept: most gateways keep none, and would start later, and larger, for it.
static SECRETS: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(
        r"(?x)
            \b(?:sk|pk|rk|lo-admin)-[A-Za-z0-9_-]{16,}
          | \bAIza[A-Za-z0-9_-]{30,}
          | \bya29\.[A-Za-z0-9_-]{16,}
          | \b(?:AKIA|ASIA)[A-Z0-9]{16}\b
          | \b(?:hf|gsk|xai|ghp|gho|ghu|ghs|ghr|github_pat|glpat)[_-][A-Za-z0-9_-]{16,}
          | \bxox[abeoprs]-[A-Za-z0-9-]{10,}
          | \b[Bb][Ee][Aa][Rr][Ee][Rr]\s+[A-Za-z0-9._~+/=-]{8,}
          | \beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*
          | -----BEGIN\ [A-Z\ ]*PRIVATE\ KEY-----[A-Za-z0-9+/=\s\\]*(?:-----END\ [A-Z\ ]*PRIVATE\ KEY-----)?",
    )
    .expect("the own patterns compile")
});

/// Leaves out what looks like a secret, and what the operator says.
#[derive(Debug, Default)]
pub(super) struct Redactor {
    own: Option<Regex>,
}

impl Redactor {
    pub(super) fn new(own: Option<&str>) -> Result<Self, regex::Error> {
        let own = own.filter(|own| !own.is_empty());
        Ok(Self {
            own: own.map(Regex::new).transpose()?,
        })
    }

    pub(super) fn redact<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let mut text = Cow::Borrowed(text);
        for pattern in std::iter::once(&*SECRETS).chain(&self.own) {
            if let Cow::Owned(redacted) = pattern.replace_all(&text, REPLACEMENT) {
                text = Cow::Owned(redacted);
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_looks_like_a_secret_is_left_out() {
        let redactor = Redactor::default();
        for secret in [
            "sk-proj-abcdefghijklmnop_123",
            "sk-ant-api03-abcdefghijklmnop",
            "sk-lo-abcdefghijklmnopqrstuvwxyz",
            "lo-admin-abcdefghijklmnopqrstuvwxyz",
            &format!("AIza{}", "x".repeat(35)),
            "AKIAIOSFODNN7EXAMPLE",
            "ghp_abcdefghijklmnopqrstuvwxyz",
            "xoxb-1234567890-abc",
            "Bearer abcdefgh.ijkl",
            "eyJhbGciOiJI.eyJzdWIiOiIx.c2ln",
            "-----BEGIN PRIVATE KEY-----\nMIIabc=\n-----END PRIVATE KEY-----",
        ] {
            let text = format!("it is {secret}, so");
            assert_eq!(redactor.redact(&text), "it is [redacted], so");
        }
        for plain in ["risk-averse people", "a bearer of news", "sk-short", "eyJ"] {
            assert!(
                matches!(redactor.redact(plain), Cow::Borrowed(_)),
                "{plain}"
            );
        }
    }
}
