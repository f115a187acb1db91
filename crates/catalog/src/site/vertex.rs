//! Google Vertex AI: Gemini by its own operations, Anthropic's models by `rawPredict`.
//! Sources: <https://docs.cloud.google.com/vertex-ai/generative-ai/docs/model-reference/inference>,
//! <https://docs.claude.com/en/api/claude-on-vertex-ai>.

use std::sync::Arc;

use entities::ProviderConfig;
use protocol::{Endpoint, Operation, Outgoing};
use secrecy::SecretString;
use upstream::{BaseUrl, Client, GoogleTokens, Signer};

use super::{missing, open, refused, segment, word};
use crate::{ProviderError, ProviderKind, Secrets, kind::Served};

/// `anthropic_version` of every body for a model of Anthropic's.
const VERSION: &str = "vertex-2023-10-16";

#[derive(Debug)]
pub(crate) struct Vertex {
    project: String,
    location: String,
    service_account: SecretString,
}

impl Vertex {
    pub(super) fn new(config: &ProviderConfig, secrets: &Secrets) -> Result<Self, ProviderError> {
        let kind = ProviderKind::Vertex;
        let (project, location) = (config.project.as_deref(), config.location.as_deref());
        let service_account = config.service_account.as_deref();
        Ok(Self {
            // A project of a domain has a colon in its id.
            project: word("config.project", kind, project, b"-.:")?,
            location: word("config.location", kind, location, b"-")?,
            service_account: open("config.service_account", service_account, secrets)?
                .ok_or_else(|| missing("config.service_account", kind))?,
        })
    }

    pub(super) fn base_url(&self) -> String {
        match self.location.as_str() {
            "global" => "https://aiplatform.googleapis.com".to_owned(),
            // Locations of several regions.
            location @ ("us" | "eu") => format!("https://aiplatform.{location}.rep.googleapis.com"),
            location => format!("https://{location}-aiplatform.googleapis.com"),
        }
    }

    pub(super) fn signer(
        &self,
        base_url: &BaseUrl,
        client: Arc<Client>,
    ) -> Result<Signer, ProviderError> {
        GoogleTokens::new(&self.service_account, base_url, client)
            .map(Signer::Google)
            .map_err(refused("config.service_account"))
    }

    pub(super) fn path(
        &self,
        base: &str,
        endpoint: Endpoint,
        model: &str,
        stream: bool,
    ) -> Option<String> {
        let (publisher, name, verb) = match (endpoint, stream) {
            (Endpoint::Messages, false) => ("anthropic", model, "rawPredict"),
            (Endpoint::Messages, true) => ("anthropic", model, "streamRawPredict"),
            (Endpoint::CountMessagesTokens, _) => ("anthropic", "count-tokens", "rawPredict"),
            (Endpoint::GenerateContent, true) => ("google", model, "streamGenerateContent?alt=sse"),
            _ => ("google", model, endpoint.verb()?),
        };
        let version = if base.ends_with("/v1") { "" } else { "/v1" };
        let (project, location) = (&self.project, &self.location);
        let name = segment(name);
        Some(format!(
            "{version}/projects/{project}/locations/{location}/publishers/{publisher}/models/{name}:{verb}"
        ))
    }
}

fn is_anthropic(model: &str) -> bool {
    model.starts_with("claude")
}

pub(super) fn serves(endpoint: Endpoint, model: &str) -> Served {
    match (endpoint.operation(), is_anthropic(model)) {
        (Operation::Generate(_) | Operation::Complete, true) => Served::By(Endpoint::Messages),
        (Operation::Generate(_) | Operation::Complete, false) => {
            Served::By(Endpoint::GenerateContent)
        }
        (Operation::Count(_), true) => Served::By(Endpoint::CountMessagesTokens),
        (Operation::Count(_), false) => Served::By(Endpoint::CountTokens),
        _ => Served::Not,
    }
}

pub(super) fn outgoing(endpoint: Endpoint, model: &str) -> Outgoing<'_> {
    match endpoint {
        Endpoint::Messages => Outgoing {
            anthropic_version: Some(VERSION),
            ..Outgoing::default()
        },
        Endpoint::CountMessagesTokens => Outgoing {
            model: Some(model),
            anthropic_version: Some(VERSION),
            ..Outgoing::default()
        },
        _ => Outgoing::default(),
    }
}
