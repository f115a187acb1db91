//! Azure OpenAI: the v1 API, which is OpenAI's with another key header, and the dated API, which names deployments in the
//! path. Source: <https://learn.microsoft.com/azure/foundry/openai/api-version-lifecycle>.

use entities::{OpenAiApi, ProviderConfig};
use protocol::Endpoint;

use super::{segment, word};
use crate::{ProviderError, ProviderKind};

#[derive(Debug)]
pub(crate) struct Azure {
    /// Of the dated API; absent for the v1 API.
    api_version: Option<String>,
}

impl Azure {
    pub(super) fn new(config: &ProviderConfig) -> Result<Self, ProviderError> {
        let version = config.api_version.as_deref();
        let api_version = version
            .map(|version| {
                word(
                    "config.api_version",
                    ProviderKind::Azure,
                    Some(version),
                    b"-.",
                )
            })
            .transpose()?;
        Ok(Self { api_version })
    }

    /// Older dated versions have no Responses.
    pub(super) fn default_api(&self) -> OpenAiApi {
        if self.api_version.is_some() {
            OpenAiApi::Chat
        } else {
            OpenAiApi::Both
        }
    }

    /// An endpoint may be given with the path that its API is at; that is not doubled.
    pub(super) fn path(&self, base: &str, endpoint: Endpoint, deployment: &str) -> Option<String> {
        let operation = endpoint.path().strip_prefix("/v1")?;
        let Some(version) = &self.api_version else {
            let start = ["/openai/v1", "/openai"]
                .into_iter()
                .find(|end| base.ends_with(end))
                .map_or(
                    "/openai/v1",
                    |end| if end == "/openai" { "/v1" } else { "" },
                );
            return Some(format!("{start}{operation}"));
        };
        let start = if base.ends_with("/openai") {
            ""
        } else {
            "/openai"
        };
        // Responses name the deployment in the body.
        if matches!(endpoint, Endpoint::Responses | Endpoint::InputTokens) {
            return Some(format!("{start}{operation}?api-version={version}"));
        }
        let deployment = segment(deployment);
        Some(format!(
            "{start}/deployments/{deployment}{operation}?api-version={version}"
        ))
    }
}
