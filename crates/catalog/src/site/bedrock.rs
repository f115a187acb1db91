//! Amazon Bedrock: `InvokeModel` with the bodies of Anthropic's API.
//! Source: <https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-anthropic-claude-messages.html>.

use entities::ProviderConfig;
use secrecy::ExposeSecret;
use upstream::{SigV4, Signer};

use super::{invalid, missing, open, refused, segment, word};
use crate::{ProviderError, ProviderKind, Secrets};

/// `anthropic_version` of every body: the only value that `InvokeModel` knows.
pub(super) const VERSION: &str = "bedrock-2023-05-31";

#[derive(Debug)]
pub(crate) struct Bedrock {
    region: String,
}

impl Bedrock {
    pub(super) fn new(config: &ProviderConfig) -> Result<Self, ProviderError> {
        let region = config.region.as_deref();
        Ok(Self {
            region: word("config.region", ProviderKind::Bedrock, region, b"-")?,
        })
    }

    pub(super) fn base_url(&self) -> String {
        let region = &self.region;
        let top = if region.starts_with("cn-") { ".cn" } else { "" };
        format!("https://bedrock-runtime.{region}.amazonaws.com{top}")
    }

    /// Signs with access keys; a Bedrock API key is a header like others'.
    pub(super) fn signer(
        &self,
        config: &ProviderConfig,
        secrets: &Secrets,
    ) -> Result<Option<Signer>, ProviderError> {
        let secret = config.secret_access_key.as_deref();
        let has_keys = config.access_key_id.is_some() || secret.is_some();
        if config.api_key.is_some() {
            if has_keys || config.session_token.is_some() {
                let reason =
                    "is one way to prove who asks, and access keys are another: set one of them";
                return Err(invalid("config.api_key", reason));
            }
            return Ok(None);
        }
        let kind = ProviderKind::Bedrock;
        // The id is no secret: it is stored as it is, unless it refers to where it stands.
        let id = match config.access_key_id.as_deref() {
            Some(id) if id.starts_with("env:") || id.starts_with("file:") => {
                open("config.access_key_id", Some(id), secrets)?
            }
            id => id.map(Into::into),
        };
        let id = id.ok_or_else(|| missing("config.access_key_id", kind))?;
        let secret = open("config.secret_access_key", secret, secrets)?
            .ok_or_else(|| missing("config.secret_access_key", kind))?;
        let token = config.session_token.as_deref();
        let token = open("config.session_token", token, secrets)?;
        SigV4::new(
            id.expose_secret(),
            &secret,
            token.as_ref(),
            &self.region,
            "bedrock",
        )
        .map(|signer| Some(Signer::SigV4(signer)))
        .map_err(refused("config.access_key_id"))
    }
}

/// Other vendors' models have bodies of their own. The resource name (ARN) of a profile or of provisioned throughput may
/// not tell the model; it is taken for one of Anthropic's.
pub(crate) fn refuses(model: &str) -> Option<&'static str> {
    let is_named = |model: &str| model.starts_with("anthropic.") || model.contains(".anthropic.");
    let fits = match model.strip_prefix("arn:") {
        None => is_named(model),
        Some(arn) => match arn.rsplit_once('/') {
            Some((before, name)) if before.ends_with(":foundation-model") => is_named(name),
            Some((before, name)) if before.ends_with(":inference-profile") => is_named(name),
            Some(_) => true,
            None => false,
        },
    };
    (!fits).then_some(
        "type bedrock serves Anthropic's models: their ids hold 'anthropic.', or are resource names of profiles",
    )
}

pub(super) fn path(model: &str, stream: bool) -> String {
    let model = segment(model);
    let operation = if stream {
        "invoke-with-response-stream"
    } else {
        "invoke"
    };
    format!("/model/{model}/{operation}")
}
